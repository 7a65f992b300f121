//go:build synctests

package producer_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/producer"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
	"github.com/vicuna-go/vicuna/stream/streamtest"
)

// threeTopics are on a broker each, so that acknowledgements of one can be withheld alone.
func threeTopics(t *testing.T, test func(t *testing.T, k *kafkatest.Broker)) {
	t.Helper()
	grouptest.OnBroker(t, func(t *testing.T, k *kafkatest.Broker) {
		apart(t, k, "a", "b", "c")
		test(t, k)
	}, kafkatest.Brokers(3), kafkatest.Topics(1, "a", "b", "c"))
}

// Acknowledgements that come in another order than the records: what is committed is what is done
// without a gap, in each partition.
func TestOnlyTheContiguousPrefixIsCommitted(t *testing.T) {
	threeTopics(t, func(t *testing.T, k *kafkatest.Broker) {
		releaseA, releaseB := k.HoldAcks("a"), k.HoldAcks("b")
		cl := client(t, sets(k))
		src := trackedNumbers(2, 300)
		ctl := grouptest.Start(t, stream.Map(src.Source(), func(m *consumed) offsetEnv {
			// 0 b, 1 c, 2 a, …; the other partition begins with c
			topic := []string{"b", "c", "a"}[(int(m.Offset)+int(m.Partition))%3]
			return envelope.Single[string, string, committable](*envelope.New(topic, "k", m.Value), m)
		}).To(producer.CommittableSink(bare(k), settings.NewCommitter(), producer.On(cl))))
		committed := func() [2]int64 {
			rest()
			return [2]int64{src.Committed(0), src.Committed(1)}
		}
		require.Equal(t, [2]int64{0, 1}, committed())
		require.EqualValues(t, 200, cl.Metrics().Acknowledged, "c's, far behind")
		require.Equal(t, 400, src.Outstanding(0)+src.Outstanding(1))
		releaseB()
		require.Equal(t, [2]int64{2, 1}, committed())
		require.EqualValues(t, 400, cl.Metrics().Acknowledged)
		releaseA()
		require.Equal(t, [2]int64{300, 300}, committed())
		<-ctl.Done()
		require.NoError(t, ctl.Err())
	})
}

// Whatever is held and released when: no offset is committed of which a record before it was not
// acknowledged.
func TestNothingIsCommittedThatIsNotAcknowledged(t *testing.T) {
	for seed := range uint64(10) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			threeTopics(t, func(t *testing.T, k *kafkatest.Broker) {
				const n = 400
				rng := rand.New(rand.NewPCG(seed, 7))
				topics := []string{"a", "b", "c"}
				src := trackedNumbers(3, n)
				var recs [3][n][]record // what each record is made into; there when it is done
				for p := range recs {
					for i := range recs[p] {
						recs[p][i] = make([]record, []int{0, 1, 1, 1, 3}[rng.IntN(5)])
						for j := range recs[p][i] {
							recs[p][i][j] = *envelope.New(topics[rng.IntN(3)], fmt.Sprint(p, " ", i), "v")
						}
					}
				}
				g := &group{now: func() int64 { return src.Committed(0) + src.Committed(1) + src.Committed(2) }}
				ctl := grouptest.Start(t, stream.Map(of(g, src.Source()), func(m *consumed) offsetEnv {
					recs := recs[m.Partition][m.Offset]
					switch {
					case len(recs) == 1:
						return envelope.Single[string, string, committable](recs[0], m)
					case len(recs) == 0 && m.Offset%2 == 0:
						return envelope.PassThrough[string, string, committable](m)
					}
					return envelope.Multi[string, string, committable](recs, m)
				}).To(producer.CommittableSink(sets(k, settings.Linger(0), settings.Window(100, unbounded)), often(10))))
				releases := map[string]func(){}
				for over := false; !over; {
					synctest.Wait()
					// before it is read what was written
					committed := []int64{src.Committed(0), src.Committed(1), src.Committed(2)}
					written := map[string]int{}
					for _, topic := range topics {
						for _, r := range kafkatest.ReadAll(t, k, topic) {
							written[string(r.Key)]++
						}
					}
					for p, upTo := range committed {
						for offset := range upTo {
							require.Equal(t, len(recs[p][offset]), written[fmt.Sprint(p, " ", offset)], "partition %d is committed up to %d, and %d is not done", p, upTo, offset)
						}
					}
					topic := topics[rng.IntN(3)]
					if release := releases[topic]; release != nil {
						release()
						delete(releases, topic)
					} else {
						releases[topic] = k.HoldAcks(topic)
					}
					select {
					case <-ctl.Done():
						over = true
					case <-time.After(time.Duration(rng.IntN(int(50 * time.Millisecond)))):
					}
				}
				require.NoError(t, ctl.Err())
				for p := range int32(3) {
					require.EqualValues(t, n, src.Committed(p))
				}
				for _, release := range releases {
					release()
				}
				_, wakes, ends := g.told()
				require.Len(t, wakes, 3*n/10)
				require.Equal(t, []int64{3 * n}, ends)
			})
		})
	}
}

// Several envelopes of one record carry its offset: it is done with the last of them.
func TestEnvelopesThatShareAnOffset(t *testing.T) {
	threeTopics(t, func(t *testing.T, k *kafkatest.Broker) {
		releaseA, releaseB := k.HoldAcks("a"), k.HoldAcks("b")
		src := trackedNumbers(1, 100)
		three := stream.FlatMap(src.Source(), func(m *consumed) iter.Seq[offsetEnv] {
			return func(yield func(offsetEnv) bool) {
				for _, topic := range []string{"c", "a", "b"} {
					if !yield(envelope.Single[string, string, committable](*envelope.New(topic, "k", m.Value), m)) {
						return
					}
				}
			}
		})
		cl := client(t, sets(k))
		ctl := grouptest.Start(t, three.To(producer.CommittableSink(bare(k), often(1), producer.On(cl))))
		rest()
		require.EqualValues(t, 100, cl.Metrics().Acknowledged)
		require.Zero(t, src.Committed(0), "one of three")
		releaseA()
		rest()
		require.EqualValues(t, 200, cl.Metrics().Acknowledged)
		require.Zero(t, src.Committed(0), "two of three")
		releaseB()
		<-ctl.Done()
		require.NoError(t, ctl.Err())
		require.EqualValues(t, 100, src.Committed(0))
	})
}

// A MultiMessage is done with its last record, wherever that goes; pass-throughs wait for nothing,
// and hold nothing up.
func TestMultiMessagesAreDoneWithTheirLastRecord(t *testing.T) {
	threeTopics(t, func(t *testing.T, k *kafkatest.Broker) {
		release := k.HoldAcks("b")
		src := streamtest.NewTracked[[]string](1)
		src.Append(0, nil, []string{"a", "c"}, []string{}, []string{"a", "b", "c"}, []string{}, []string{"c"})
		src.End()
		var fakes [6]kafkatest.FakeCommittable
		ctl := grouptest.Start(t, stream.Map(src.Source(), func(m *streamtest.TrackedMessage[[]string]) offsetEnv {
			if m.Value == nil {
				return envelope.PassThrough[string, string, committable](&fakes[m.Offset])
			}
			var recs []record
			for _, topic := range m.Value {
				recs = append(recs, *envelope.New(topic, "k", "v"))
			}
			return envelope.Multi[string, string, committable](recs, &fakes[m.Offset])
		}).To(producer.CommittableSink(sets(k), settings.NewCommitter())))
		rest()
		require.EqualValues(t, 3, src.Committed(0))
		require.Equal(t, 1, src.Outstanding(0))
		for i, times := range []int{1, 1, 1, 0, 1, 1} {
			require.Equal(t, times, fakes[i].Commits(), "envelope %d", i)
		}
		release()
		<-ctl.Done()
		require.NoError(t, ctl.Err())
		require.EqualValues(t, 6, src.Committed(0))
		require.Equal(t, 1, fakes[3].Commits())
	})
}

// What fails ends the stream: what was done before it is committed, and neither it nor what comes
// after it, acknowledged or not.
func TestFailedRecordIsNotCommitted(t *testing.T) {
	for name, last := range map[string]func(rec record) offsetEnv{
		"Message": func(rec record) offsetEnv { return envelope.Single[string, string, committable](rec, nil) },
		"MultiMessage": func(rec record) offsetEnv {
			return envelope.Multi[string, string, committable]([]record{*envelope.New("a", "k", "v"), rec, *envelope.New("c", "k", "v")}, nil)
		},
	} {
		// the failure is the envelope's last outcome, or not
		for _, order := range [][]string{{"c", "b"}, {"b", "c"}} {
			t.Run(name+", "+order[1]+" comes last", func(t *testing.T) {
				threeTopics(t, func(t *testing.T, k *kafkatest.Broker) {
					k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "b", Err: kerr.InvalidRecord, Count: -1})
					releases := []func(){k.HoldAcks(order[0]), k.HoldAcks(order[1])}
					src := streamtest.NewTracked[string](1)
					src.Append(0, "a", "a", "a", "b", "a", "a")
					var fakes [6]kafkatest.FakeCommittable
					g := &group{}
					ctl := grouptest.Start(t, stream.Map(of(g, src.Source()), func(m *consumed) offsetPair {
						rec := *envelope.New(m.Value, "k", "v")
						e := envelope.Single[string, string, committable](rec, nil)
						if m.Value == "b" {
							e = last(rec)
						}
						return offsetPair{Value: relabelled(e), Context: &fakes[m.Offset]}
					}).To(producer.CommittableSinkWithOffsetContextOf[int](sets(k), often(100))))
					rest()
					require.EqualValues(t, 3, src.Committed(0))
					for _, release := range releases {
						release()
						rest()
					}
					<-ctl.Done()
					requireStage(t, ctl.Err(), "committableSinkWithOffsetContext")
					failed := &stream.StageError{}
					require.ErrorAs(t, ctl.Err(), &failed)
					require.True(t, failed.Located)
					require.EqualValues(t, 3, failed.Offset)
					require.ErrorIs(t, ctl.Err(), kerr.InvalidRecord)
					require.EqualValues(t, 3, src.Committed(0))
					for i, times := range []int{1, 1, 1, 0, 1, 1} {
						require.Equal(t, times, fakes[i].Commits(), "envelope %d", i)
					}
					armed, wakes, ends := g.told()
					require.Equal(t, 1, armed)
					require.Empty(t, wakes)
					require.Empty(t, ends, "what is to be committed after a fault is the consumer's to know")
				})
			})
		}
	}
}

// relabelled is the envelope with another pass-through.
func relabelled(e offsetEnv) env {
	switch e := e.(type) {
	case *envelope.Message[string, string, committable]:
		return envelope.Single(e.Record, 0)
	case *envelope.MultiMessage[string, string, committable]:
		return envelope.Multi(e.Records, 0)
	}
	return envelope.PassThrough[string, string](0)
}

// The window bounds what is in flight, of envelopes of all kinds, and an envelope larger than it
// goes alone.
func TestWindowHoldsACommittableSink(t *testing.T) {
	grouptest.OnBroker(t, func(t *testing.T, k *kafkatest.Broker) {
		release := k.HoldAcks()
		cl := client(t, sets(k, settings.Window(10, unbounded)))
		var pulled atomic.Int64
		var envs []env
		for i := range 60 {
			recs := make([]record, []int{0, 1, 4, 30}[i%4])
			for j := range recs {
				recs[j] = *envelope.New("out", "k", strings.Repeat("v", 10))
			}
			envs = append(envs, envelope.Multi(recs, i))
		}
		ctl := grouptest.Start(t, stream.FromSlice(envs).Tap(func(env) { pulled.Add(1) }).To(producer.CommittableSinkOf[int](bare(k), settings.NewCommitter(), producer.On(cl))))
		rest()
		require.EqualValues(t, 4, pulled.Load())
		require.EqualValues(t, 5, cl.Metrics().InFlight)
		require.Equal(t, 1, cl.Metrics().Waiting)
		release()
		<-ctl.Done()
		require.NoError(t, ctl.Err())
		require.Len(t, kafkatest.ReadAll(t, k, "out"), 15*35)
		require.Zero(t, cl.Metrics().InFlight)
	}, kafkatest.Topics(1, "out"))
}

// A stop within a large envelope: the rest is not written, and it is not done.
func TestStopOfACommittableSink(t *testing.T) {
	threeTopics(t, func(t *testing.T, k *kafkatest.Broker) {
		cl := client(t, sets(k, settings.Window(1000, unbounded)))
		large := make([]record, 60_000)
		for i := range large {
			large[i] = *envelope.New("b", "k", strconv.Itoa(i))
		}
		one := []record{*envelope.New("a", "k", "v")}
		src := streamtest.NewTracked[[]record](1)
		src.Append(0, one, large, one)
		var fakes [3]kafkatest.FakeCommittable
		g := &group{}
		release := k.HoldAcks("b")
		ctl := grouptest.Start(t, stream.Map(of(g, src.Source()), func(m *streamtest.TrackedMessage[[]record]) offsetEnv {
			return envelope.Multi[string, string, committable](m.Value, &fakes[m.Offset])
		}).To(producer.CommittableSink(bare(k), often(1), producer.On(cl))), stream.CloseTimeout(time.Second))
		rest()
		require.EqualValues(t, 1, src.Committed(0))
		ctl.Stop()
		<-ctl.Done()
		require.ErrorIs(t, ctl.Err(), stream.ErrStopped)
		unknown := outcomes(t, ctl.Err()).Unknown
		require.Positive(t, unknown)
		require.Less(t, unknown, int64(len(large)))
		release()
		require.NoError(t, cl.Flush(t.Context()))
		require.EqualValues(t, 1, src.Committed(0))
		require.Equal(t, []int{1, 0, 0}, []int{fakes[0].Commits(), fakes[1].Commits(), fakes[2].Commits()})
		require.Zero(t, cl.Metrics().InFlight)
		_, wakes, ends := g.told()
		require.Len(t, wakes, 1)
		require.Empty(t, ends)
	})
}

// After the end of the run nobody is told any more: whoever made the Committables may have let go
// of them.
func TestCommittablesBehindTheEnd(t *testing.T) {
	grouptest.OnBroker(t, func(t *testing.T, k *kafkatest.Broker) {
		release := k.HoldAcks()
		cl := client(t, sets(k))
		var fake kafkatest.FakeCommittable
		in := make(chan offsetEnv, 1)
		in <- envelope.Single[string, string, committable](*envelope.New("out", "k", "v"), &fake)
		ctl := grouptest.Start(t, stream.FromChan(in).To(producer.CommittableSink(bare(k), settings.NewCommitter(), producer.On(cl))))
		rest()
		ctl.Stop()
		<-ctl.Done()
		release()
		require.NoError(t, cl.Flush(t.Context()))
		require.EqualValues(t, 1, cl.Metrics().Acknowledged)
		require.Zero(t, fake.Commits())
	}, kafkatest.Topics(1, "out"))
}

// A drain in mid-flight: everything that was pulled is written, done and committed.
func TestDrainOfACommittableSink(t *testing.T) {
	grouptest.OnBroker(t, func(t *testing.T, k *kafkatest.Broker) {
		for name, end := range ends(sets(k, settings.Window(100, unbounded)), often(1000), "out") {
			release := k.HoldAcks("out")
			src := trackedNumbers(2, 5000)
			g := &group{now: func() int64 { return src.Committed(0) + src.Committed(1) }}
			ctl := grouptest.Start(t, end(of(g, src.Source())))
			rest()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			drained := make(chan error, 1)
			go func() { drained <- ctl.Drain(ctx) }()
			rest()
			_, _, ends := g.told()
			require.Empty(t, ends, "not before the last acknowledgement")
			release()
			require.NoError(t, <-drained, name)
			cancel()
			_, _, ends = g.told()
			require.Len(t, ends, 1, name)
			require.Equal(t, src.Committed(0)+src.Committed(1), ends[0], name)
			require.Positive(t, ends[0])
			require.Less(t, ends[0], int64(10_000))
		}
	}, kafkatest.Topics(1, "out"))
}

var errCommit = errors.New("the commit has failed")

// The conformance suite, for all that a stream of records can end in.
func TestSinksKeepTheContract(t *testing.T) {
	for name, sink := range map[string]func(settings.Producer[string, string], ...producer.Option) stream.Sink[*record]{
		"PlainSink": producer.PlainSink[string, string], "CommittableSink": committableSink,
		"CommittableSinkWithOffsetContext": committableSinkWithOffsetContext,
	} {
		t.Run(name, func(t *testing.T) {
			var k *kafkatest.Broker // the case's
			streamtest.TestSink(t, streamtest.SinkCase[*record]{
				New:   func(*testing.T, func(context.Context, *record) error) stream.Sink[*record] { return sink(sets(k)) },
				Input: func(i int) *record { return envelope.New("out", "k", strconv.Itoa(i)) },
			}, streamtest.Blind(), streamtest.Concurrent(), streamtest.In(func(t *testing.T, run func(t *testing.T)) {
				grouptest.OnBroker(t, func(t *testing.T, b *kafkatest.Broker) {
					k = b
					run(t)
				}, kafkatest.Topics(2, "out"))
			}))
		})
	}
}
