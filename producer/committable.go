package producer

import (
	"reflect"
	"runtime/debug"

	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/internal/blueprint"
	"github.com/vicuna-go/vicuna/internal/committing"
	"github.com/vicuna-go/vicuna/internal/core"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// CommittableSink writes the records of envelopes, and has the offsets of those that are done
// committed: at least once, from a consumer to a producer. It is [CommittableSinkOf] for envelopes
// that pass their offset through.
//
//   - Emits when: it is a sink.
//   - Back-pressures when: the client's window is full.
//   - Completes when: upstream completes, every record has been acknowledged, and the offsets are
//     committed; with settings.SendAndForget the last is not waited for.
//   - Fails when: an envelope is nil, or a record cannot be serialised or fails and [SkipFailed]
//     was not given, or the last offsets cannot be committed.
//   - Order: kept for each partition that is written to.
//   - Goroutines: one while it commits at the end, beside the client's.
func CommittableSink[K, V any](ps settings.Producer[K, V], cm settings.Committer, opts ...Option) stream.Sink[envelope.Envelope[K, V, envelope.Committable]] {
	return CommittableSinkOf[envelope.Committable](ps, cm, opts...)
}

// CommittableSinkOf writes the records of envelopes with any pass-through, and has the offsets of
// those that are done committed. P is named, K and V follow from the settings.
//
// An envelope is done when its records are acknowledged, a MultiMessage with the last of them; one
// without records is done at once. That marks the record that it was made of, and the consumer's
// loop commits what is done without a gap: in whatever order acknowledgements come, and over
// however many partitions, no offset is committed of which a record before it, or anything else
// made of it, is not done. What was filtered out on the way is done as well.
//
// The envelope's offset is what the stream knows of the element, and not what it passes through:
// that is looked at where the element came by a channel, from another graph (stream.ToChan) or from
// user code that it was handed over to (stream.ForEachManual). Then an envelope.Committable, or a
// slice of them, tells what is done, and each envelope answers one hand-over: a record that was
// sent in two is done with the second. What an element has by the stream touches no hand-over of
// another branch. A pass-through of another type tells nothing, and its record stays undone, with a
// warning. A Committable that is none of a consumer of this module's gets one Commit for each
// envelope; a panic in it ends the stream.
//
// The committer's settings say when the consumer commits: MaxBatch counts envelopes. Every consumer
// of the graph commits by them, whether its elements reach this sink or not. What fails to be
// produced ends the stream, with what was done before it committed; with [SkipFailed] it is counted
// and done, and its offset is committed: the record is then in no topic. With settings.AcksNone a
// record counts as acknowledged when it was sent.
//
//   - Emits when: it is a sink.
//   - Back-pressures when: the client's window is full.
//   - Completes when: upstream completes, every record has been acknowledged, and the offsets are
//     committed; with settings.SendAndForget the last is not waited for.
//   - Fails when: an envelope is nil, or a record cannot be serialised or fails and SkipFailed was
//     not given, or the last offsets cannot be committed.
//   - Order: kept for each partition that is written to.
//   - Goroutines: one while it commits at the end, beside the client's.
func CommittableSinkOf[P, K, V any](ps settings.Producer[K, V], cm settings.Committer, opts ...Option) stream.Sink[envelope.Envelope[K, V, P]] {
	type env = envelope.Envelope[K, V, P]
	offset := offsetOf[P]()
	return buildCommittableSink(ps, cm, optionsOf(opts), "committableSink",
		func(e env) env { return e },
		func(_ env, p P) any { return offset(p) })
}

// CommittableSinkWithOffsetContext is [CommittableSink] for streams that carry the offset as their
// context, and not in the envelopes.
//
//   - Emits when: it is a sink.
//   - Back-pressures when: the client's window is full.
//   - Completes when: as CommittableSink.
//   - Fails when: as CommittableSink.
//   - Order: kept for each partition that is written to.
//   - Goroutines: one while it commits at the end, beside the client's.
func CommittableSinkWithOffsetContext[K, V any](ps settings.Producer[K, V], cm settings.Committer, opts ...Option) stream.Sink[stream.Pair[envelope.Envelope[K, V, envelope.None], envelope.Committable]] {
	return CommittableSinkWithOffsetContextOf[envelope.None](ps, cm, opts...)
}

// CommittableSinkWithOffsetContextOf is [CommittableSinkWithOffsetContext] for envelopes with a
// pass-through of the user's own, which is not looked at. P is named, K and V follow from the
// settings.
//
//   - Emits when: it is a sink.
//   - Back-pressures when: the client's window is full.
//   - Completes when: as CommittableSink.
//   - Fails when: as CommittableSink.
//   - Order: kept for each partition that is written to.
//   - Goroutines: one while it commits at the end, beside the client's.
func CommittableSinkWithOffsetContextOf[P, K, V any](ps settings.Producer[K, V], cm settings.Committer, opts ...Option) stream.Sink[stream.Pair[envelope.Envelope[K, V, P], envelope.Committable]] {
	type pair = stream.Pair[envelope.Envelope[K, V, P], envelope.Committable]
	return buildCommittableSink(ps, cm, optionsOf(opts), "committableSinkWithOffsetContext",
		func(p pair) envelope.Envelope[K, V, P] { return p.Value },
		func(p pair, _ P) any { return p.Context })
}

// offsetOf returns what takes the offset out of a pass-through. Of a type that can be none it is
// nothing: to put each into an interface would be an allocation.
func offsetOf[P any]() func(P) any {
	var zero P
	switch any(zero).(type) {
	case envelope.Committable, []envelope.Committable:
	default:
		if reflect.TypeFor[P]().Kind() != reflect.Interface {
			return func(P) any { return nil }
		}
	}
	return func(p P) any { return p }
}

func buildCommittableSink[K, V, P, A any](ps settings.Producer[K, V], cm settings.Committer, o options, kind string,
	envelopeOf func(A) envelope.Envelope[K, V, P], offsetOf func(A, P) any,
) stream.Sink[A] {
	return stream.Sink[A](blueprint.NewSink(func(b *core.Builder, at core.At) core.Stage[A] {
		info := at.Island.AddStage(b.Name(kind))
		b.Run.HasCommitter()
		if err := cm.Err(); err != nil {
			b.Fail(err)
		}
		cl, ok := open(b, ps.ProducerConfig, o)
		if !ok || cm.Err() != nil {
			return core.Stage[A]{Link: &core.Link{}}
		}
		s := &committableSink[K, V, P, A]{
			plainSink: newPlainSink(b, at, info, ps, cl, o), envelopeOf: envelopeOf, offsetOf: offsetOf, stage: committing.NewStage(b.Run, cm),
		}
		s.here = s.stage.Another()
		return core.Stage[A]{Push: s.push, Done: s.done, Link: &core.Link{}}
	}))
}

// committableSink is a plainSink of envelopes that tells a committer stage of each that is done.
type committableSink[K, V, P, A any] struct {
	*plainSink[K, V]
	envelopeOf func(A) envelope.Envelope[K, V, P]
	offsetOf   func(A, P) any

	stage *committing.Stage    // its own observer is the promises'
	here  *committing.Observer // the island's

	wholes  []whole // made ahead
	entries []*entry
}

// whole is a MultiMessage with records in flight; the promises', once they are sent.
type whole struct {
	left   int
	failed bool
	token  core.Token
	offset any
}

func (s *committableSink[K, V, P, A]) push(a A) {
	s.isl.In(s.info)
	switch m := s.envelopeOf(a).(type) {
	case *envelope.Message[K, V, P]:
		if m != nil {
			s.single(a, m)
			return
		}
	case *envelope.MultiMessage[K, V, P]:
		if m != nil {
			s.multi(a, m)
			return
		}
	case *envelope.PassThroughMessage[K, V, P]:
		if m != nil {
			s.finished(s.offsetOf(a, m.PassThrough))
			return
		}
	}
	s.isl.Fail(s.info, nilEnvelope)
}

func (s *committableSink[K, V, P, A]) single(a A, m *envelope.Message[K, V, P]) {
	e := s.slabs.next()
	if err := s.encode.encode(&m.Record, e); err != nil {
		s.slabs.unget()
		s.unserialised(s.offsetOf(a, m.PassThrough), err)
		return
	}
	if !s.admit(1, e.bytes) {
		s.slabs.unget()
		return
	}
	e.owner, e.envelope, e.token = s, s.offsetOf(a, m.PassThrough), s.isl.Out()
	s.send(e)
}

func (s *committableSink[K, V, P, A]) multi(a A, m *envelope.MultiMessage[K, V, P]) {
	offset := s.offsetOf(a, m.PassThrough)
	if len(m.Records) == 0 {
		s.finished(offset)
		return
	}
	entries, bytes, _, err := s.encode.encodeAll(m.Records, &s.slabs, s.entries[:0])
	s.entries = entries
	if err != nil {
		s.unserialised(offset, err)
		return
	}
	if !s.admit(int64(len(entries)), bytes) {
		return
	}
	if len(s.wholes) == 0 {
		s.wholes = make([]whole, 64)
	}
	w := &s.wholes[0]
	s.wholes = s.wholes[1:]
	*w = whole{left: len(entries), token: s.isl.Out(), offset: offset}
	for _, e := range entries {
		e.owner, e.envelope, e.token = s, w, w.token
	}
	s.sendAll(entries)
}

// unserialised ends an envelope of which a record could not be made.
func (s *committableSink[K, V, P, A]) unserialised(offset any, err error) {
	if !s.skip {
		s.isl.Fail(s.info, err)
		return
	}
	s.info.Skip()
	s.finished(offset)
}

// finished ends the element in hand, of which nothing is in flight.
func (s *committableSink[K, V, P, A]) finished(offset any) {
	if !s.observe(s.here, s.isl.Token(), offset) {
		s.isl.Abandon()
		return
	}
	s.isl.Finish()
	s.here.Count()
}

func (s *committableSink[K, V, P, A]) outcome(e *entry, err error) {
	fine := err == nil || s.fault(e.token, err)
	if w, ok := e.envelope.(*whole); ok {
		w.failed = w.failed || !fine
		if w.left--; w.left == 0 {
			s.ended(w.token, w.offset, !w.failed)
			*w = whole{}
		}
	} else {
		s.ended(e.token, e.envelope, fine)
	}
	s.slabs.back(e)
	s.landed()
}

// ended ends an envelope whose records have their outcome.
func (s *committableSink[K, V, P, A]) ended(t core.Token, offset any, fine bool) {
	told := fine && !s.detached.Load()
	if told {
		fine = s.observe(&s.stage.Observer, t, offset)
	}
	if fine {
		s.finisher.Done(t)
	} else {
		s.finisher.Abandon(t)
	}
	if told {
		s.stage.Count()
	}
	if s.ending.Load() {
		s.finisher.Flush()
	}
}

// observe tells the stage of an envelope that is done. A Committable may be the user's own, and a
// panic in a promise would be the process's.
func (s *committableSink[K, V, P, A]) observe(o *committing.Observer, t core.Token, offset any) (ok bool) {
	defer func() {
		if v := recover(); v != nil {
			s.run.FailAt(s.info, 0, &stream.PanicError{Value: v, Stack: debug.Stack()})
		}
	}()
	o.Observe(t, offset)
	return true
}

// done waits, after the last element, until every record has its outcome and what is done is
// committed.
func (s *committableSink[K, V, P, A]) done() {
	s.drain()
	if s.run.Stopped() {
		return
	}
	s.finisher.Flush() // no promise of ours is left
	s.stage.Complete(s.isl, s.info)
}
