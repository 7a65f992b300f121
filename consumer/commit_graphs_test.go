package consumer_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/serde"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// A Committer in another graph, with a channel between: it has the consumer commit from its first
// offset on, at the consumer's end too.
func TestCommitterInAnotherGraph(t *testing.T) {
	grouptest.Run(t, 2, func(t *testing.T, w *grouptest.World) {
		w.Write(0, 0, 100)
		w.Write(1, 0, 100)
		w.Handle = []consumer.Option{consumer.CommitsElsewhere(settings.MaxInterval(time.Hour))}
		between := make(chan *strMessage, 16)
		reading := w.Start(w.ToEnd().CommittableSource().To(stream.ToChan(between)))
		committing := w.Start(grouptest.Offsets(stream.FromChan(between)).To(consumer.CommitterSink(onlyAtTheEnd())))
		<-reading.Done() // when everything was committed by the other graph
		require.NoError(t, reading.Err())
		close(between)
		<-committing.Done()
		require.NoError(t, committing.Err())
		require.EqualValues(t, 100, w.Committed(0))
		require.EqualValues(t, 100, w.Committed(1))
	})
}

// The other graph's Committer outlives the consumer, and serves the next one.
func TestCommitterInAnotherGraphServesTheNextRun(t *testing.T) {
	grouptest.Run(t, 1, func(t *testing.T, w *grouptest.World) {
		w.Write(0, 0, 100)
		w.Handle = []consumer.Option{consumer.CommitsElsewhere(settings.MaxInterval(time.Hour))}
		between := make(chan *strMessage)
		committing := w.Start(grouptest.Offsets(stream.FromChan(between)).To(consumer.CommitterSink(quickly())))
		for i := range 3 {
			reading := w.Start(w.ToEnd().CommittableSource().To(stream.ToChan(between)))
			<-reading.Done()
			require.NoError(t, reading.Err())
			require.EqualValues(t, 100+10*i, w.Committed(0))
			w.Write(0, 100+10*i, 110+10*i)
		}
		close(between)
		<-committing.Done()
		require.NoError(t, committing.Err())
	})
}

// A committable sink in another graph.
func TestCommittableSinkInAnotherGraph(t *testing.T) {
	grouptest.Run(t, 1, func(t *testing.T, w *grouptest.World) {
		w.Write(0, 0, 100)
		w.Handle = []consumer.Option{consumer.CommitsElsewhere(settings.MaxInterval(time.Hour))}
		between := make(chan *strMessage, 16)
		reading := w.Start(w.ToEnd().CommittableSource().To(stream.ToChan(between)))
		copying := w.Start(stream.Map(stream.FromChan(between), copyOf("out")).To(sink(t, w, onlyAtTheEnd())))
		<-reading.Done()
		require.NoError(t, reading.Err())
		require.EqualValues(t, 100, w.Committed(0))
		close(between)
		<-copying.Done()
		require.NoError(t, copying.Err())
		require.Len(t, kafkatest.ReadAll(t, w.Broker, "out"), 100)
	}, grouptest.Broker(kafkatest.Topics(1, "out")))
}

// What the user has taken out is committed when the user says so, in whatever order, as far as
// there is no gap.
func TestCommitByTheUser(t *testing.T) {
	grouptest.Run(t, 1, func(t *testing.T, w *grouptest.World) {
		w.Write(0, 0, 20)
		taken := make(chan *strMessage, 20)
		ctl := w.Start(w.Consumer().CommittableSource().To(stream.Broadcast(stream.ToChan(taken), onlyArms(quickly()))))
		var all []*strMessage
		for range 20 {
			all = append(all, <-taken)
		}
		for i := 19; i >= 10; i-- {
			all[i].Offset.Commit()
			all[i].Offset.Commit() // harmless
		}
		for i := range 5 {
			all[i].Offset.Commit()
		}
		w.Journal.AwaitCommit(t, 0, 5)
		require.EqualValues(t, 5, w.Committed(0))
		for i := 5; i < 10; i++ {
			all[i].Offset.Commit()
		}
		w.Journal.AwaitCommit(t, 0, 20)
		require.NoError(t, ctl.Drain(t.Context()))
		all[3].Offset.Commit() // the run is over
		require.EqualValues(t, 20, w.Committed(0))
		w.Journal.RequireForward(t)
	})
}

// Two groups, and two consumers of different partitions, merged into one Committer: each gets its
// own.
func TestCommitterOfTwoConsumers(t *testing.T) {
	grouptest.Run(t, 2, func(t *testing.T, w *grouptest.World) {
		w.Write(0, 0, 60)
		w.Write(1, 0, 40)
		other := consumer.New(w.Settings(settings.Group("others")), consumer.Topics("in"), consumer.ToEnd())
		both := stream.Merge(grouptest.Offsets(w.ToEnd().CommittableSource()), grouptest.Offsets(other.CommittableSource()))
		require.NoError(t, both.To(consumer.CommitterSink(settings.NewCommitter(settings.MaxBatch(7)))).Run(t.Context()))
		for _, group := range []string{"readers", "others"} {
			require.EqualValues(t, 60, kafkatest.CommittedOffset(t, w.Broker, group, "in", 0), group)
			require.EqualValues(t, 40, kafkatest.CommittedOffset(t, w.Broker, group, "in", 1), group)
		}
	})
	grouptest.Run(t, 2, func(t *testing.T, w *grouptest.World) {
		w.Write(0, 0, 60)
		w.Write(1, 0, 40)
		of := func(p int32) stream.Source[envelope.Committable] {
			at := consumer.TopicPartition{Topic: "in", Partition: p}
			return grouptest.Offsets(consumer.New(w.Settings(), consumer.Partitions(at), consumer.ToEnd()).CommittableSource())
		}
		require.NoError(t, stream.Merge(of(0), of(1)).To(consumer.CommitterSink(settings.NewCommitter(settings.MaxBatch(7)))).Run(t.Context()))
		require.EqualValues(t, 60, w.Committed(0))
		require.EqualValues(t, 40, w.Committed(1))
	})
}

// Two members of one group in one graph, with one Committer.
func TestCommitterOfTwoMembers(t *testing.T) {
	grouptest.Run(t, 2, func(t *testing.T, w *grouptest.World) {
		w.Write(0, 0, 60)
		w.Write(1, 0, 40)
		ctl := w.Start(stream.Merge(grouptest.Offsets(w.Consumer().CommittableSource()), grouptest.Offsets(w.Consumer().CommittableSource())).
			To(consumer.CommitterSink(quickly())))
		w.Journal.AwaitCommit(t, 0, 60)
		w.Journal.AwaitCommit(t, 1, 40)
		require.NoError(t, ctl.Drain(t.Context()))
		require.Zero(t, w.Rest().Count())
		w.Journal.RequireForward(t)
	})
}

// A consumer that begins late, after another source, is armed too.
func TestCommitterOfASourceThatBeginsLate(t *testing.T) {
	grouptest.Run(t, 1, func(t *testing.T, w *grouptest.World) {
		w.Write(0, 0, 30)
		fakes := make([]envelope.Committable, 10)
		for i := range fakes {
			fakes[i] = &kafkatest.FakeCommittable{}
		}
		all := stream.Concat(stream.FromSlice(fakes), grouptest.Offsets(w.ToEnd().CommittableSource()))
		got, err := stream.Collect(t.Context(), stream.Via(all, consumer.CommitterFlow(batchesOf(5))))
		require.NoError(t, err)
		n := 0
		for _, c := range got {
			n += c.Elements
		}
		require.Equal(t, 40, n)
		require.EqualValues(t, 30, w.Committed(0))
		for _, f := range fakes {
			require.Equal(t, 1, f.(*kafkatest.FakeCommittable).Commits())
		}
	})
}

// A manual assignment with a group commits to it without membership.
func TestCommitOfAManualAssignment(t *testing.T) {
	grouptest.Run(t, 2, func(t *testing.T, w *grouptest.World) {
		w.Write(1, 0, 100)
		at := consumer.TopicPartition{Topic: "in", Partition: 1}
		for i := range 4 {
			c := consumer.New(w.Settings(), consumer.Partitions(at))
			require.NoError(t, grouptest.Offsets(c.CommitWithMetadataSource(note).Take(10)).To(consumer.CommitterSink(quickly())).Run(t.Context()))
			require.EqualValues(t, 10*(i+1), w.Committed(1))
			require.Equal(t, "note 1/"+strconv.Itoa(10*i+9), metadata(t, w, 1))
		}
	})
}

// Partitions' sub-streams have Committers of their own.
func TestCommitterInSubStreams(t *testing.T) {
	grouptest.Run(t, 3, func(t *testing.T, w *grouptest.World) {
		w.Write(0, 0, 100)
		w.Write(1, 0, 50)
		w.Write(2, 0, 70)
		require.NoError(t, stream.Each(w.ToEnd().CommittablePartitionedSource(), 8,
			func(_ consumer.TopicPartition, src stream.Source[*strMessage]) stream.Graph {
				return grouptest.Offsets(src.Filter(func(m *strMessage) bool { return m.Record.Offset()%3 == 0 })).To(consumer.CommitterSink(batchesOf(10)))
			}).Run(t.Context()))
		for p, n := range []int64{100, 50, 70} {
			require.Equal(t, n, w.Committed(int32(p)))
		}
	})
}

// Sources need a group to commit to.
func TestCommitNeedsAGroup(t *testing.T) {
	grouptest.Run(t, 1, func(t *testing.T, w *grouptest.World) {
		w.Write(0, 0, 10)
		cs := settings.NewConsumer(serde.String(), serde.String(), w.Bootstrap(), w.Dialer())
		c := consumer.New(cs, consumer.Partitions(consumer.TopicPartition{Topic: "in"}))
		require.ErrorIs(t, grouptest.Offsets(c.CommittableSource()).To(consumer.CommitterSink(quickly())).Run(t.Context()), consumer.ErrNoGroup)
	})
}

// The settings' faults are told before anything runs.
func TestCommitterSettingsFaults(t *testing.T) {
	bad := settings.NewCommitter(settings.MaxBatch(0))
	require.Error(t, bad.Err())
	none := stream.FromSlice([]envelope.Committable{})
	require.ErrorIs(t, none.To(consumer.CommitterSink(bad)).Run(t.Context()), bad.Err())
	require.Error(t, stream.Via(none, consumer.CommitterFlow(bad)).To(stream.Ignore[consumer.Committed]()).Run(t.Context()))
}

// What is no consumer's offset has its Commit called.
func TestCommitterOfForeignCommittables(t *testing.T) {
	fakes := []*kafkatest.FakeCommittable{{}, {}, {}}
	src := stream.Map(stream.FromSlice(fakes), func(f *kafkatest.FakeCommittable) envelope.Committable { return f })
	require.NoError(t, src.To(consumer.CommitterSink(quickly())).Run(t.Context()))
	for _, f := range fakes {
		require.Equal(t, 1, f.Commits())
	}
}
