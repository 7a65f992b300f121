package consumer

import (
	"context"
	"fmt"

	"github.com/vicuna-go/vicuna/internal/reader"
	"github.com/vicuna-go/vicuna/stream"
)

// LoadOffsets tells at which offsets partitions are to be read that were just assigned: each is
// that of the first record to read. Partitions that it leaves out begin as they would without it:
// at the group's committed offset, or as settings.StartFrom says. ctx ends when the partitions are
// taken away before it has returned; what it returns then is not used. It is called within the
// rebalance, one call at a time: it should take less than the rebalance time-out. An error, or a
// panic, is a [*UserError] that ends the stream.
type LoadOffsets = func(ctx context.Context, ps []TopicPartition) (map[TopicPartition]int64, error)

// PlainPartitionedManualOffsetSource is [Consumer.PlainPartitionedSource] for offsets that are kept
// elsewhere, with the results of the work: load tells where each partition begins, revoked (which
// may be nil) that partitions are gone, when what was in flight is finished. Nothing is committed.
//
//   - Emits when: a partition was assigned and its offset loaded, or its sub-stream has ended too
//     early.
//   - Back-pressures when: as PlainPartitionedSource.
//   - Completes when: with [ToEnd], at the end; else never.
//   - Fails when: as PlainSource, and when load does, or tells an offset that is not there.
//   - Order: that of the partition, in each sub-stream.
//   - Goroutines: as PlainPartitionedSource.
func (c *Consumer[K, V]) PlainPartitionedManualOffsetSource(load LoadOffsets, revoked func([]TopicPartition)) stream.Source[stream.Sub[TopicPartition, *Record[K, V]]] {
	sh := plainShape[K, V]("plainPartitionedManualOffsetSource")
	return partitioned(c, sh.manually(load, revoked))
}

// CommittablePartitionedManualOffsetSource is [Consumer.PlainPartitionedManualOffsetSource] with
// offsets that are committed to the group besides, for tools that show its lag.
//
//   - Emits when: a partition was assigned and its offset loaded, or its sub-stream has ended too
//     early.
//   - Back-pressures when: as PlainPartitionedSource.
//   - Completes when: with [ToEnd], at the end; else never.
//   - Fails when: as CommittableSource, and when load does, or tells an offset that is not there.
//   - Order: that of the partition, in each sub-stream.
//   - Goroutines: as CommittablePartitionedSource.
func (c *Consumer[K, V]) CommittablePartitionedManualOffsetSource(load LoadOffsets, revoked func([]TopicPartition)) stream.Source[stream.Sub[TopicPartition, *CommittableMessage[K, V]]] {
	sh := committableShape[K, V]("committablePartitionedManualOffsetSource", nil)
	return partitioned(c, sh.manually(load, revoked))
}

func (sh shape[K, V, T]) manually(load LoadOffsets, revoked func([]TopicPartition)) shape[K, V, T] {
	sh.manual = &reader.Manual{Load: load, Revoked: revoked}
	if load == nil {
		sh.err = fmt.Errorf("vicuna: %s: the function that loads offsets is nil", sh.kind)
	}
	return sh
}
