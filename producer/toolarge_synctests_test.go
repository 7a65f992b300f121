//go:build synctests

package producer_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/producer"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// padded makes n records with consecutive numbers, of about size bytes, over some keys; those in
// large are of 50 KB.
func padded(topic string, n, size, keys int, large ...int) []*record {
	recs := make([]*record, n)
	for i := range recs {
		recs[i] = envelope.New(topic, fmt.Sprint("k", i%keys), fmt.Sprint(i, " ", strings.Repeat("s", size)))
	}
	for _, i := range large {
		recs[i] = envelope.New(topic, fmt.Sprint("k", i%keys), fmt.Sprint(i, " ", strings.Repeat("x", 50_000)))
	}
	return recs
}

// requirePadded says that a topic has the records but those left out, each once, and those of a
// partition in order.
func requirePadded(t *testing.T, k *kafkatest.Broker, topic string, n int, without ...int) {
	t.Helper()
	times := make([]int, n)
	last := map[int32]int{}
	for _, r := range kafkatest.ReadAll(t, k, topic) {
		number, _, _ := strings.Cut(string(r.Value), " ")
		i, err := strconv.Atoi(number)
		require.NoError(t, err)
		times[i]++
		if before, ok := last[r.Partition]; ok {
			require.Less(t, before, i, "partition %d is out of order", r.Partition)
		}
		last[r.Partition] = i
	}
	want := make([]int, n)
	for i := range want {
		want[i] = 1
	}
	for _, i := range without {
		want[i] = 0
	}
	require.Equal(t, want, times)
}

// senders are all ways to write records; each returns the failures by place, under SkipFailed where
// that matters.
var senders = map[string]func(t *testing.T, ps settings.Producer[string, string], recs []*record) map[int]error{
	"PlainSink": func(t *testing.T, ps settings.Producer[string, string], recs []*record) map[int]error {
		return counted(t, stream.FromSlice(recs).To(producer.PlainSink(ps, producer.SkipFailed())))
	},
	"CommittableSink": func(t *testing.T, ps settings.Producer[string, string], recs []*record) map[int]error {
		return counted(t, stream.FromSlice(recs).To(committableSink(ps, producer.SkipFailed())))
	},
	"CommittableSinkWithOffsetContext": func(t *testing.T, ps settings.Producer[string, string], recs []*record) map[int]error {
		return counted(t, stream.FromSlice(recs).To(committableSinkWithOffsetContext(ps, producer.SkipFailed())))
	},
	"FlexiFlow": func(t *testing.T, ps settings.Producer[string, string], recs []*record) map[int]error {
		failed := map[int]error{}
		next := 0
		require.NoError(t, stream.Via(stream.FromSlice(singles(recs)), producer.FlexiFlow[int](ps, producer.SkipFailed())).To(stream.ForEach(func(_ context.Context, r res) error {
			require.Equal(t, next, r.Pass())
			next++
			if err := r.Failed(); err != nil {
				failed[r.Pass()] = err
			}
			return nil
		})).Run(t.Context()))
		return failed
	},
	"FlexiFlow of a MultiMessage": func(t *testing.T, ps settings.Producer[string, string], recs []*record) map[int]error {
		all := make([]record, len(recs))
		for i, r := range recs {
			all[i] = *r
		}
		failed := map[int]error{}
		got, err := stream.Collect(t.Context(), stream.Via(stream.FromSlice([]env{envelope.Multi(all, 0)}), producer.FlexiFlow[int](ps, producer.SkipFailed())))
		require.NoError(t, err)
		for i, part := range got[0].(*envelope.MultiResult[string, string, int]).Parts {
			if part.Err != nil {
				failed[i] = part.Err
			}
		}
		return failed
	},
	"Element": func(t *testing.T, ps settings.Producer[string, string], recs []*record) map[int]error {
		p := element(t, ps)
		failed := map[int]error{}
		var mu sync.Mutex
		for i, r := range recs {
			require.NoError(t, p.SendAsync(t.Context(), r, func(_ envelope.Metadata, err error) {
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					failed[i] = err
				}
			}))
		}
		require.NoError(t, p.Flush(t.Context()))
		require.NoError(t, p.Close(t.Context()))
		return failed
	},
}

// counted runs a sink under SkipFailed, which tells no more than how many have failed.
func counted(t *testing.T, g stream.Graph) map[int]error {
	ctl := grouptest.Start(t, g)
	<-ctl.Done()
	require.NoError(t, ctl.Err())
	failed := map[int]error{}
	for _, s := range ctl.Snapshot().Stages {
		for range s.Skipped {
			failed[-1-len(failed)] = nil
		}
	}
	return failed
}

// Batches that are larger than their topic allows are split; a record that is too large fails
// alone. Nothing is doubled, and partitions keep their order.
func TestBatchesTooLargeForTheTopicAreSplit(t *testing.T) {
	for name, c := range map[string]struct {
		limit string
		recs  func() []*record
		large []int
		opts  []settings.ProducerOption
	}{
		"many small ones":                  {"10000", func() []*record { return padded("out", 2000, 100, 50) }, nil, nil},
		"many small ones and a large one":  {"10000", func() []*record { return padded("out", 2000, 100, 50, 777) }, []int{777}, nil},
		"several large ones":               {"10000", func() []*record { return padded("out", 500, 100, 50, 0, 1, 250, 498, 499) }, []int{0, 1, 250, 498, 499}, nil},
		"large ones only":                  {"10000", func() []*record { return padded("out", 4, 100, 2, 0, 1, 2, 3) }, []int{0, 1, 2, 3}, nil},
		"a full window":                    {"10000", func() []*record { return padded("out", 2000, 100, 50, 777) }, []int{777}, []settings.ProducerOption{settings.Window(300, unbounded)}},
		"a window of few bytes":            {"10000", func() []*record { return padded("out", 500, 100, 50, 77) }, []int{77}, []settings.ProducerOption{settings.Window(1000, 20_000)}},
		"a long linger":                    {"10000", func() []*record { return padded("out", 2000, 100, 50, 777) }, []int{777}, []settings.ProducerOption{settings.Linger(20 * time.Second)}},
		"no linger":                        {"10000", func() []*record { return padded("out", 2000, 100, 50, 777) }, []int{777}, []settings.ProducerOption{settings.Linger(0)}},
		"not idempotent":                   {"10000", func() []*record { return padded("out", 2000, 100, 50, 777) }, []int{777}, []settings.ProducerOption{settings.Acks(settings.AcksLeader)}},
		"more than one full batch":         {"10000", func() []*record { return padded("out", 4000, 900, 50, 777, 3000) }, []int{777, 3000}, nil},
		"the client knows":                 {"1000000", func() []*record { return padded("out", 2000, 100, 50, 777) }, []int{777}, []settings.ProducerOption{settings.BatchBytes(10_000)}},
		"compressed, it is not too large":  {"10000", func() []*record { return padded("out", 500, 100, 50, 77) }, nil, []settings.ProducerOption{settings.Compression(kgo.SnappyCompression())}},
		"limit smaller than some of them":  {"300", func() []*record { return padded("out", 300, 100, 20, 77) }, []int{77}, nil},
		"one partition and a single large": {"10000", func() []*record { return padded("out", 1, 100, 1, 0) }, []int{0}, nil},
	} {
		for sender, send := range senders {
			t.Run(name+"/"+sender, func(t *testing.T) {
				grouptest.OnBroker(t, func(t *testing.T, k *kafkatest.Broker) {
					recs := c.recs()
					failed := send(t, sets(k, settings.Compression(kgo.NoCompression())).With(c.opts...), recs)
					require.Len(t, failed, len(c.large))
					for _, i := range c.large {
						if err, ok := failed[i]; ok {
							require.ErrorIs(t, err, kerr.MessageTooLarge)
						}
					}
					requirePadded(t, k, "out", len(recs), c.large...)
				}, kafkatest.Topics(3, "out"), kafkatest.BrokerConfig(map[string]string{"message.max.bytes": c.limit}))
			})
		}
	}
}

// Without SkipFailed the large record ends the stream, and says why; what was before it is written.
func TestARecordTooLargeEndsTheStream(t *testing.T) {
	grouptest.OnBroker(t, func(t *testing.T, k *kafkatest.Broker) {
		err := stream.FromSlice(padded("out", 100, 100, 1, 60)).To(producer.PlainSink(sets(k, settings.Compression(kgo.NoCompression())))).Run(t.Context())
		require.ErrorIs(t, err, kerr.MessageTooLarge)
		place, ok := errors.AsType[*producer.RecordError](err)
		require.True(t, ok)
		require.Equal(t, "out", place.Topic)
		got := kafkatest.ReadAll(t, k, "out")
		require.GreaterOrEqual(t, len(got), 60)
	}, kafkatest.Topics(1, "out"), kafkatest.BrokerConfig(map[string]string{"message.max.bytes": "10000"}))
}

// A limit that was learnt is kept: batches after it are not refused again.
func TestTheLimitOfATopicIsKept(t *testing.T) {
	grouptest.OnBroker(t, func(t *testing.T, k *kafkatest.Broker) {
		p := element(t, sets(k, settings.Linger(5*time.Millisecond), settings.Compression(kgo.NoCompression())))
		burst := func(n int) (requests, refused int64) {
			w := countProduce(k, 10_000)
			for _, r := range padded("out", n, 100, 50) {
				_, err := p.SendFuture(t.Context(), r)
				require.NoError(t, err)
			}
			require.NoError(t, p.Flush(t.Context()))
			return w()
		}
		_, refused := burst(200)
		require.NotZero(t, refused)
		requests, refused := burst(200)
		require.Zero(t, refused)
		require.LessOrEqual(t, requests, int64(2*200*130/5_000+6))
		<-time.After(11 * time.Minute)
		requests, refused = burst(1) // free again, with this one
		require.EqualValues(t, 1, requests)
		require.Zero(t, refused)
		require.NoError(t, p.Close(t.Context()))
		require.Len(t, kafkatest.ReadAll(t, k, "out"), 401)
	}, kafkatest.Topics(1, "out"), kafkatest.BrokerConfig(map[string]string{"message.max.bytes": "10000"}))
}

// countProduce counts the produce requests from now on, and the batches in them that are larger
// than a limit.
func countProduce(k *kafkatest.Broker, limit int) func() (requests, larger int64) {
	var n, large atomic.Int64
	k.Cluster().ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		k.Cluster().KeepControl()
		n.Add(1)
		for _, topic := range req.(*kmsg.ProduceRequest).Topics {
			for _, p := range topic.Partitions {
				if len(p.Records) > limit {
					large.Add(1)
				}
			}
		}
		return nil, nil, false
	})
	return func() (int64, int64) { return n.Load(), large.Load() }
}

// The limit of a topic is lowered, and raised, while a stream writes to it.
func TestTheLimitOfATopicChanges(t *testing.T) {
	grouptest.OnBroker(t, func(t *testing.T, k *kafkatest.Broker) {
		cl, err := kgo.NewClient(k.ClientOptions()...)
		require.NoError(t, err)
		defer cl.Close()
		limit := func(n string) {
			_, err := kadm.NewClient(cl).AlterTopicConfigs(t.Context(), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "max.message.bytes", Value: &n}}, "out")
			require.NoError(t, err)
		}
		in := make(chan *record)
		ctl := grouptest.Start(t, stream.FromChan(in).To(producer.PlainSink(sets(k, settings.Compression(kgo.NoCompression())))))
		const n = 9000
		for i, r := range padded("out", n, 100, 50) {
			switch i {
			case 2000:
				limit("20000")
			case 4000:
				limit("5000")
			case 6000:
				limit("1000000")
				<-time.After(15 * time.Minute)
			case 8000:
				limit("3000")
			}
			in <- r
		}
		require.NoError(t, ctl.Drain(t.Context()))
		requirePadded(t, k, "out", n)
	}, kafkatest.Topics(2, "out"))
}

// Records of other topics are not held up, and neither are other streams on the client.
func TestOtherTopicsGoOnWhileBatchesAreSplit(t *testing.T) {
	grouptest.OnBroker(t, func(t *testing.T, k *kafkatest.Broker) {
		cl, err := kgo.NewClient(k.ClientOptions()...)
		require.NoError(t, err)
		defer cl.Close()
		small := "10000"
		_, err = kadm.NewClient(cl).AlterTopicConfigs(t.Context(), []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "max.message.bytes", Value: &small}}, "out")
		require.NoError(t, err)
		shared := client(t, sets(k, settings.Compression(kgo.NoCompression())))
		a := grouptest.Start(t, stream.FromSlice(padded("out", 3000, 100, 20, 99)).To(producer.PlainSink(bare(k), producer.On(shared), producer.SkipFailed())))
		b := grouptest.Start(t, stream.FromSlice(padded("other", 3000, 100, 20)).To(producer.PlainSink(bare(k), producer.On(shared))))
		<-a.Done()
		<-b.Done()
		require.NoError(t, a.Err())
		require.NoError(t, b.Err())
		requirePadded(t, k, "out", 3000, 99)
		requirePadded(t, k, "other", 3000)
	}, kafkatest.Topics(2, "out", "other"))
}

// A drain and a stop in the middle of it, and closing, each at many moments.
func TestEndsWhileBatchesAreSplit(t *testing.T) {
	for _, end := range []string{"drain", "stop", "close"} {
		for after := range 12 {
			t.Run(fmt.Sprint(end, "/", after), func(t *testing.T) {
				grouptest.OnBroker(t, func(t *testing.T, k *kafkatest.Broker) {
					k.Delay(2 * time.Millisecond)
					ps := sets(k, settings.Compression(kgo.NoCompression()))
					recs := padded("out", 3000, 100, 20, 99)
					if end == "close" {
						p := element(t, ps)
						var fs []*producer.Future
						for _, r := range recs {
							f, err := p.SendFuture(t.Context(), r)
							require.NoError(t, err)
							fs = append(fs, f)
						}
						<-time.After(time.Duration(after*3) * time.Millisecond)
						require.NoError(t, p.Close(t.Context()))
						for i, f := range fs {
							_, err := f.Wait(t.Context())
							if i == 99 {
								require.ErrorIs(t, err, kerr.MessageTooLarge)
							} else {
								require.NoError(t, err)
							}
						}
						requirePadded(t, k, "out", 3000, 99)
						return
					}
					in := make(chan *record, len(recs))
					for _, r := range recs {
						in <- r
					}
					ctl := grouptest.Start(t, stream.FromChan(in).To(producer.PlainSink(ps, producer.SkipFailed())))
					<-time.After(time.Duration(after*3) * time.Millisecond)
					if end == "drain" {
						require.NoError(t, ctl.Drain(t.Context()))
					} else {
						ctl.Stop()
						<-ctl.Done()
					}
					synctest.Wait()
					last := map[int32]int{}
					for _, r := range kafkatest.ReadAll(t, k, "out") {
						var i int
						_, err := fmt.Sscan(string(r.Value), &i)
						require.NoError(t, err)
						if before, ok := last[r.Partition]; ok {
							require.Less(t, before, i)
						}
						last[r.Partition] = i
					}
				}, kafkatest.Topics(2, "out"), kafkatest.BrokerConfig(map[string]string{"message.max.bytes": "10000"}))
			})
		}
	}
}

// Records that wait in the lane keep their delivery time-out.
func TestRecordsThatWereRefusedKeepTheirTime(t *testing.T) {
	grouptest.OnBroker(t, func(t *testing.T, k *kafkatest.Broker) {
		p := element(t, sets(k, settings.Linger(5*time.Millisecond), settings.DeliveryTimeout(30*time.Second), settings.Compression(kgo.NoCompression())))
		var fs []*producer.Future
		for _, r := range padded("out", 1000, 100, 20) {
			f, err := p.SendFuture(t.Context(), r)
			require.NoError(t, err)
			fs = append(fs, f)
		}
		<-time.After(10 * time.Millisecond)
		at := time.Now()
		k.Kill()
		for _, f := range fs {
			_, err := f.Wait(t.Context())
			if err != nil {
				var late *producer.DeliveryTimeoutError
				require.ErrorAs(t, err, &late)
			}
		}
		require.Less(t, time.Since(at), 45*time.Second)
	}, kafkatest.Topics(2, "out"), kafkatest.BrokerConfig(map[string]string{"message.max.bytes": "2000"}))
}
