package consumer

import (
	"fmt"

	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/internal/blueprint"
	"github.com/vicuna-go/vicuna/internal/core"
	"github.com/vicuna-go/vicuna/settings"
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
	manual   *manual

	size   int64 // of an element
	wrap   func(s *session[K, V, T], d arrival, vals []T) []T
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

// single is a source of all partitions.
func single[K, V, T any](c *Consumer[K, V], sh shape[K, V, T]) stream.Source[T] {
	return stream.Source[T](blueprint.NewSource(func(b *core.Builder, next func(core.At) core.Stage[T]) {
		name := b.Name(sh.kind)
		isl := b.Run.NewIsland()
		st := next(core.At{Island: isl})
		sh.needsCommitter(b, c.cs.ConsumerConfig, c.opts, name)
		s := newSession(b, c, sh, name)
		if s == nil {
			return
		}
		l := s.newLane(isl, isl.AddSource(name))
		s.lane = l
		core.Drive[T](isl, s.arriving(l), s.checked(l, st))
	}))
}

// needsCommitter says that the source commits nothing without a committing stage, where that is so.
func (sh shape[K, V, T]) needsCommitter(b *core.Builder, cfg settings.ConsumerConfig, o options, name string) {
	if sh.commits && !o.elsewhere {
		b.Run.NeedCommitter(&NoCommitterError{Source: name, Group: cfg.Group()})
	}
}

// arriving is the intake of a lane.
func (s *session[K, V, T]) arriving(l *lane) core.Intake[T] {
	return &arriving[K, V, T]{Intake: l.feed.Intake(), s: s, l: l}
}

// checked looks at what could not be decoded when its turn has come.
func (s *session[K, V, T]) checked(l *lane, st core.Stage[T]) core.Stage[T] {
	push := st.Push
	st.Push = func(v T) {
		if l.suspect.Load() { // some record of this lane is not as it should be; perhaps this one
			if !s.sound(l, v) {
				return
			}
		}
		push(v)
	}
	return st
}

// sound reports whether the element is to be given out.
func (s *session[K, V, T]) sound(l *lane, v T) bool {
	f := s.shape.record(v).failure
	switch {
	case f == nil:
		return true
	case f.control:
		return false
	case f.undecodable && s.cfg.Undecodable() == settings.DeliverUndecodable:
		return true
	}
	l.isl.In(l.info)
	if f.undecodable && s.cfg.Undecodable() == settings.SkipUndecodable {
		l.info.Skip()
		s.log.Warn("vicuna: a record that cannot be decoded is skipped", "error", f.err)
		return false
	}
	l.isl.Fail(l.info, f.err)
	return false
}
