package consumer

import (
	"github.com/vicuna-go/vicuna/internal/blueprint"
	"github.com/vicuna-go/vicuna/internal/core"
	"github.com/vicuna-go/vicuna/internal/reader"
	"github.com/vicuna-go/vicuna/stream"
)

// PlainPartitionedSource gives a sub-stream for each partition that is assigned, to be run with
// [stream.Each]: its records, in order. The sub-stream completes when the partition is taken away,
// after what was in flight. One that ends by itself while the partition stays (Take, a failure
// that Each skips) is followed by another, which goes on with the first record that was not
// finished: at once where it has finished anything, else after a pause that grows from 100 ms to 10
// s. A partition is fetched once its sub-stream runs: with fewer children at a time than partitions
// (the n of Each) the others are not read until one is taken away. A graph that joins a sub-stream
// with a source of its own goes on after the partition until that has completed, too.
//
//   - Emits when: a partition was assigned, or its sub-stream has ended too early.
//   - Back-pressures when: it is told to, and each sub-stream by itself: a slow one holds up no
//     other.
//   - Completes when: with [ToEnd], at the end; else never.
//   - Fails when: as PlainSource.
//   - Order: that of the partition, in each sub-stream.
//   - Goroutines: one for what follows and one for each sub-stream, three beside them, and the
//     client's.
func (c *Consumer[K, V]) PlainPartitionedSource() stream.Source[stream.Sub[TopicPartition, *Record[K, V]]] {
	return partitioned(c, plainShape[K, V]("plainPartitionedSource"))
}

// CommittablePartitionedSource is [Consumer.PlainPartitionedSource] with the records' offsets; see
// [Consumer.CommittableSource]. The Committer, or committable sink, stands in the graph of each
// sub-stream; the first that has none ends the run, also where Each skips failures.
//
//   - Emits when: a partition was assigned, or its sub-stream has ended too early.
//   - Back-pressures when: as PlainPartitionedSource.
//   - Completes when: with [ToEnd], at the end; else never.
//   - Fails when: as CommittableSource.
//   - Order: that of the partition, in each sub-stream.
//   - Goroutines: as PlainPartitionedSource, and one that commits.
func (c *Consumer[K, V]) CommittablePartitionedSource() stream.Source[stream.Sub[TopicPartition, *CommittableMessage[K, V]]] {
	return partitioned(c, committableShape[K, V]("committablePartitionedSource", nil))
}

// CommitWithMetadataPartitionedSource is [Consumer.CommittablePartitionedSource] with the metadata
// of [Consumer.CommitWithMetadataSource].
//
//   - Emits when: a partition was assigned, or its sub-stream has ended too early.
//   - Back-pressures when: as PlainPartitionedSource.
//   - Completes when: with [ToEnd], at the end; else never.
//   - Fails when: as CommitWithMetadataSource.
//   - Order: that of the partition, in each sub-stream.
//   - Goroutines: as CommittablePartitionedSource.
func (c *Consumer[K, V]) CommitWithMetadataPartitionedSource(f func(*Record[K, V]) (string, error)) stream.Source[stream.Sub[TopicPartition, *CommittableMessage[K, V]]] {
	return partitioned(c, committableShape("commitWithMetadataPartitionedSource", f))
}

// partitioned is a source of sub-streams.
func partitioned[K, V, T any](c *Consumer[K, V], sh shape[K, V, T]) stream.Source[stream.Sub[TopicPartition, T]] {
	return stream.Source[stream.Sub[TopicPartition, T]](blueprint.NewSource(func(b *core.Builder, next func(core.At) core.Stage[stream.Sub[TopicPartition, T]]) {
		name := b.Name(sh.kind)
		isl := b.Run.NewIsland()
		st := next(core.At{Island: isl})
		r := read(b, c, sh, name)
		if r == nil {
			return
		}
		info := isl.AddSource(name)
		info.Nests()
		r.CountOn(info)
		h := r.NewHandout(isl)
		done := st.Done
		st.Done = func() {
			done() // an Each on the same island waits here for its children
			h.Pass()
		}
		core.Drive[stream.Sub[TopicPartition, T]](isl, &subs[K, V, T]{Handout: h, r: r}, st)
	}))
}

// subs is the intake of a stream of sub-streams: it makes sources of what the run gives out.
type subs[K, V, T any] struct {
	*reader.Handout
	r *reading[K, V, T]
}

var (
	_ core.Intake[stream.Sub[TopicPartition, int]] = (*subs[int, int, int])(nil)
	_ core.Beginning                               = (*subs[int, int, int])(nil)
)

// Next implements core.Intake.
func (in *subs[K, V, T]) Next() (core.Chunk[stream.Sub[TopicPartition, T]], core.Status) {
	c, status := in.Handout.Next()
	out := core.Chunk[stream.Sub[TopicPartition, T]]{First: c.First}
	for _, sub := range c.Vals {
		out.Vals = append(out.Vals, stream.Sub[TopicPartition, T]{Key: sub.Partition(), Source: in.r.sub(sub)})
	}
	return out, status
}

// sub is the source of a partition's sub-stream, which runs once.
func (r *reading[K, V, T]) sub(sub *reader.Sub) stream.Source[T] {
	return stream.Source[T](blueprint.Live(sub.Run(), blueprint.NewSource(func(b *core.Builder, next func(core.At) core.Stage[T]) {
		name := b.Name(sub.Name())
		r.shape.needsCommitter(b, r.c.cs.ConsumerConfig, r.c.opts, name)
		isl := b.Run.NewIsland()
		st := next(core.At{Island: isl})
		l := r.NewLane(isl, isl.AddSource(name))
		core.Drive[T](isl, r.arriving(l), r.checked(l, st))
		sub.Build(b, l)
	})))
}
