package consumer

import (
	"fmt"

	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/internal/reader"
	"github.com/vicuna-go/vicuna/stream"
)

// PlainSource gives the records. Nothing is committed: where reading begins is for the settings,
// the group's committed offsets (somebody else may commit them), or [Offsets]. When a partition is
// taken away, what is in flight is finished first.
//
//   - Emits when: a record was fetched.
//   - Back-pressures when: it is told to; what is fetched meanwhile is bounded by settings.Budget.
//   - Completes when: with [ToEnd], at the end; else never.
//   - Fails when: the brokers refuse, an offset is out of range, a record cannot be decoded, as the
//     settings say.
//   - Order: that of each partition; partitions take turns.
//   - Goroutines: one for what follows, three beside it, and the client's.
func (c *Consumer[K, V]) PlainSource() stream.Source[*Record[K, V]] {
	return single(c, plainShape[K, V]("plainSource"))
}

// CommittableSource gives the records with their offsets, which are committed when it is safe.
// Somebody has to commit: a Committer or a committable sink in the graph, or, with
// [CommitsElsewhere], code outside of it. A graph without one is refused, with a
// [*NoCommitterError]. A record that does not reach it, because it was filtered out, is finished
// all the same. Nobody has to do anything with the Offset but pass it on where a sink's type asks
// for it; see [envelope.Committable] for elements that leave the stream.
//
//   - Emits when: a record was fetched.
//   - Back-pressures when: it is told to; what is fetched meanwhile is bounded by settings.Budget,
//     and by settings.TrackLimit for each partition.
//   - Completes when: with [ToEnd], at the end, when everything was finished; else never.
//   - Fails when: as PlainSource, when the graph has nobody who commits, and when a commit is
//     refused.
//   - Order: that of each partition; partitions take turns.
//   - Goroutines: one for what follows, four beside it, and the client's.
func (c *Consumer[K, V]) CommittableSource() stream.Source[*CommittableMessage[K, V]] {
	return single(c, committableShape[K, V]("committableSource", nil))
}

// CommitWithMetadataSource is [Consumer.CommittableSource] with a string that is committed together
// with an offset: that of the last record before it. f makes it of a record, once, when the
// record's turn has come, on the stream's goroutine; its failure, or panic, is a [*UserError] that
// ends the stream. Brokers bound its length (4096 bytes by default, offset.metadata.max.bytes).
//
//   - Emits when: a record was fetched.
//   - Back-pressures when: as CommittableSource.
//   - Completes when: as CommittableSource.
//   - Fails when: as CommittableSource, and when f does.
//   - Order: that of each partition; partitions take turns.
//   - Goroutines: as CommittableSource.
func (c *Consumer[K, V]) CommitWithMetadataSource(f func(*Record[K, V]) (string, error)) stream.Source[*CommittableMessage[K, V]] {
	return single(c, committableShape("commitWithMetadataSource", f))
}

// SourceWithOffsetContext is [Consumer.CommittableSource] with the offset as the context of each
// record, which operators on it carry on.
//
//   - Emits when: a record was fetched.
//   - Back-pressures when: as CommittableSource.
//   - Completes when: as CommittableSource.
//   - Fails when: as CommittableSource.
//   - Order: that of each partition; partitions take turns.
//   - Goroutines: as CommittableSource.
func (c *Consumer[K, V]) SourceWithOffsetContext() stream.SourceWithContext[*Record[K, V], envelope.Committable] {
	return withOffsetContext(single(c, committableShape[K, V]("sourceWithOffsetContext", nil)))
}

// SourceWithOffsetContextAndMetadata is [Consumer.SourceWithOffsetContext] with the metadata of
// [Consumer.CommitWithMetadataSource].
//
//   - Emits when: a record was fetched.
//   - Back-pressures when: as CommittableSource.
//   - Completes when: as CommittableSource.
//   - Fails when: as CommitWithMetadataSource.
//   - Order: that of each partition; partitions take turns.
//   - Goroutines: as CommittableSource.
func (c *Consumer[K, V]) SourceWithOffsetContextAndMetadata(f func(*Record[K, V]) (string, error)) stream.SourceWithContext[*Record[K, V], envelope.Committable] {
	return withOffsetContext(single(c, committableShape("sourceWithOffsetContext", f)))
}

func withOffsetContext[K, V any](src stream.Source[*CommittableMessage[K, V]]) stream.SourceWithContext[*Record[K, V], envelope.Committable] {
	return stream.FromPairs(stream.Map(src, func(m *CommittableMessage[K, V]) stream.Pair[*Record[K, V], envelope.Committable] {
		return stream.Pair[*Record[K, V], envelope.Committable]{Value: &m.Record, Context: m.Offset}
	}))
}

// AtMostOnceSource commits offsets before it gives out their records: each is delivered at most
// once, whatever crashes. Up to ahead records of a partition are committed ahead of the stream with
// one commit; a crash loses those and what is in flight. A clean end, a revoke included, sets the
// committed offset back to the first record that the stream did not get, and loses nothing. ahead
// is at least 1.
//
//   - Emits when: a record was fetched and its offset committed.
//   - Back-pressures when: it is told to.
//   - Completes when: as PlainSource.
//   - Fails when: as PlainSource, and when a commit is refused.
//   - Order: that of each partition; partitions take turns.
//   - Goroutines: one for what follows, four beside it, and the client's.
func (c *Consumer[K, V]) AtMostOnceSource(ahead int) stream.Source[*Record[K, V]] {
	sh := plainShape[K, V]("atMostOnceSource")
	sh.ahead, sh.needsGroup = ahead, true
	if ahead < 1 {
		sh.err = fmt.Errorf("vicuna: atMostOnceSource: it commits %d records ahead, at least 1 is needed", ahead)
	}
	return single(c, sh)
}

// shape is what sources differ in.
type shape[K, V, T any] struct {
	kind       string
	err        error
	plain      bool // elements carry no Committable
	needsGroup bool
	commits    bool // offsets are committed as records are finished
	// at most once: so many records of a partition are committed before they are given out
	ahead    int
	metadata func(*Record[K, V]) (string, error)
	manual   *reader.Manual

	size   int64 // of an element
	wrap   func(r *reading[K, V, T], d arrival, vals []T) []T
	record func(T) *Record[K, V]
}

func plainShape[K, V any](kind string) shape[K, V, *Record[K, V]] {
	return shape[K, V, *Record[K, V]]{
		kind: kind, plain: true, wrap: wrapRecords[K, V], size: elementBytes[Record[K, V]](),
		record: func(r *Record[K, V]) *Record[K, V] { return r },
	}
}

func committableShape[K, V any](kind string, metadata func(*Record[K, V]) (string, error)) shape[K, V, *CommittableMessage[K, V]] {
	return shape[K, V, *CommittableMessage[K, V]]{
		kind: kind, needsGroup: true, commits: true, metadata: metadata, wrap: wrapMessages[K, V],
		size:   elementBytes[CommittableMessage[K, V]](),
		record: func(m *CommittableMessage[K, V]) *Record[K, V] { return &m.Record },
	}
}
