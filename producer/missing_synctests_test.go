//go:build synctests

package producer_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/producer"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// grow adds partitions to a topic.
func grow(t *testing.T, k *kafkatest.Broker, topic string, by int) {
	t.Helper()
	cl, err := kgo.NewClient(k.ClientOptions()...)
	require.NoError(t, err)
	defer cl.Close()
	_, err = kadm.NewClient(cl).CreatePartitions(context.Background(), by, topic)
	require.NoError(t, err)
}

// naming makes n numbered records for a partition.
func naming(topic string, partition int32, n int) []*record {
	recs := numbered(topic, n)
	for _, r := range recs {
		r.Partition = envelope.ToPartition(partition)
	}
	return recs
}

// A topic grows, and a record names a new partition at once: by each sort of stage.
func TestPartitionsThatAppearAreFound(t *testing.T) {
	for sender, send := range senders {
		t.Run(sender, func(t *testing.T) {
			grouptest.OnBroker(t, func(t *testing.T, k *kafkatest.Broker) {
				shared := client(t, sets(k))
				_, err := element(t, sets(k), producer.On(shared)).Send(t.Context(), envelope.New("out", "k", "v"))
				require.NoError(t, err)
				grow(t, k, "out", 2)
				at := time.Now()
				p := element(t, sets(k), producer.On(shared))
				// in order, on a client that knew one partition
				for i, r := range naming("out", 2, 5) {
					md, err := p.Send(t.Context(), r)
					require.NoError(t, err)
					require.EqualValues(t, 2, md.Partition)
					require.EqualValues(t, i, md.Offset)
				}
				require.Empty(t, send(t, sets(k), naming("out", 1, 100)))
				require.Less(t, time.Since(at), 5*time.Second)
				require.Len(t, kafkatest.ReadAll(t, k, "out"), 106)
			}, kafkatest.Topics(1, "out"))
		})
	}
}

// What is sent to the new partition while it is looked for stays in order; other partitions go on.
func TestRecordsForAPartitionThatIsLookedForStayInOrder(t *testing.T) {
	for name, wrapped := range map[string]bool{"own": false, "wrapped": true} {
		t.Run(name, func(t *testing.T) {
			grouptest.OnBroker(t, func(t *testing.T, k *kafkatest.Broker) {
				ps := sets(k)
				var cl *producer.Client
				if wrapped {
					kcl, err := kgo.NewClient(append(k.ClientOptions(), settings.PartitionerOpt())...)
					require.NoError(t, err)
					defer kcl.Close()
					cl, err = producer.Wrap(kcl)
					require.NoError(t, err)
					ps = bare(k)
				} else {
					cl = client(t, ps)
				}
				p := element(t, ps, producer.On(cl))
				_, err := p.Send(t.Context(), &record{Topic: "out", Value: "first", Partition: envelope.ToPartition(0)})
				require.NoError(t, err)
				var fs []*producer.Future
				for i, r := range naming("out", 1, 500) {
					f, err := p.SendFuture(t.Context(), r)
					require.NoError(t, err)
					fs = append(fs, f)
					if i == 100 {
						<-time.After(2 * time.Second)
						at := time.Now()
						_, err := p.Send(t.Context(), &record{Topic: "out", Value: "other", Partition: envelope.ToPartition(0)})
						require.NoError(t, err)
						require.Less(t, time.Since(at), 50*time.Millisecond)
						grow(t, k, "out", 1)
					}
				}
				for i, f := range fs {
					md, err := f.Wait(t.Context())
					require.NoError(t, err)
					require.EqualValues(t, 1, md.Partition)
					require.EqualValues(t, i, md.Offset)
				}
			}, kafkatest.Topics(1, "out"))
		})
	}
}

// A partition that is not there fails its records after a while, and those alone.
func TestAPartitionThatIsNotThere(t *testing.T) {
	grouptest.OnBroker(t, func(t *testing.T, k *kafkatest.Broker) {
		recs := numbered("out", 100)
		recs[10].Partition = envelope.ToPartition(7)
		recs[20].Partition = envelope.ToPartition(7)
		recs[30].Partition = envelope.ToPartition(8)
		at := time.Now()
		failed := senders["FlexiFlow"](t, sets(k), recs)
		require.Less(t, time.Since(at), 10*time.Second)
		require.Len(t, failed, 3)
		for i, p := range map[int]int32{10: 7, 20: 7, 30: 8} {
			var pe *producer.PartitionError
			require.ErrorAs(t, failed[i], &pe, i)
			require.Equal(t, p, pe.Partition)
		}
		require.Len(t, kafkatest.ReadAll(t, k, "out"), 97)
	}, kafkatest.Topics(3, "out"))
}

// A stream is stopped, a client closed, a sender gives up, while a partition is looked for.
func TestEndsWhileAPartitionIsLookedFor(t *testing.T) {
	grouptest.OnBroker(t, func(t *testing.T, k *kafkatest.Broker) {
		_, err := element(t, sets(k)).Send(t.Context(), envelope.New("out", "k", "v"))
		require.NoError(t, err)
		p, err := producer.NewElement(sets(k))
		require.NoError(t, err)
		f, err := p.SendFuture(t.Context(), naming("out", 7, 1)[0])
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = p.Send(ctx, naming("out", 7, 1)[0])
		require.ErrorIs(t, err, producer.ErrTakenBack)
		require.NoError(t, p.Close(t.Context()))
		_, err = f.Wait(t.Context())
		var pe *producer.PartitionError
		require.ErrorAs(t, err, &pe)

		ctl := grouptest.Start(t, stream.FromSlice(naming("out", 7, 3)).To(producer.PlainSink(sets(k))))
		<-time.After(time.Second)
		ctl.Stop()
		<-ctl.Done()
		require.Error(t, ctl.Err())
	}, kafkatest.Topics(1, "out"))
}
