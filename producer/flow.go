package producer

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/internal/blueprint"
	"github.com/vicuna-go/vicuna/internal/core"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// FlexiFlow writes the records of envelopes and passes their results on, with each envelope's
// pass-through. One envelope gives one result: a Message when its record is acknowledged, a
// MultiMessage when all of its are, a PassThroughMessage (and a MultiMessage without records) in
// its turn.
//
// P is named, K and V follow from the settings: FlexiFlow[ReqID](ps).
//
//   - Emits when: an envelope and all before it have their outcome.
//   - Back-pressures when: the client's window is full, or as many envelopes as it has records wait
//     for their turn or for downstream.
//   - Completes when: upstream completes and every result has gone on.
//   - Fails when: an envelope is nil, a record cannot be serialised or fails, and [SkipFailed] was
//     not given. Results before the failed one may be lost sight of; [*OutcomeError] counts them.
//   - Order: kept.
//   - Goroutines: one for what follows, beside the client's.
func FlexiFlow[P, K, V any](ps settings.Producer[K, V], opts ...Option) stream.Flow[envelope.Envelope[K, V, P], envelope.Results[K, V, P]] {
	type env = envelope.Envelope[K, V, P]
	type res = envelope.Results[K, V, P]
	return buildFlow(ps, optionsOf(opts), "flexiFlow", false,
		func(e env) env { return e },
		func(_ env, r res) res { return r },
		func(r res) res { return r })
}

// FlowWithContext is [FlexiFlow] for streams whose elements carry a context: it goes from each
// envelope to its result.
//
// C is named, K and V follow from the settings: FlowWithContext[ReqID](ps).
//
//   - Emits when: an envelope and all before it have their outcome.
//   - Back-pressures when: as FlexiFlow.
//   - Completes when: upstream completes and every result has gone on.
//   - Fails when: as FlexiFlow.
//   - Order: kept.
//   - Goroutines: one for what follows, beside the client's.
func FlowWithContext[C, K, V any](ps settings.Producer[K, V], opts ...Option) stream.FlowWithContext[envelope.Envelope[K, V, envelope.None], envelope.Results[K, V, envelope.None], C] {
	type env = envelope.Envelope[K, V, envelope.None]
	type res = envelope.Results[K, V, envelope.None]
	return stream.FlowOfPairs(buildFlow(ps, optionsOf(opts), "flowWithContext", true,
		func(p stream.Pair[env, C]) env { return p.Value },
		func(p stream.Pair[env, C], r res) stream.Pair[res, C] {
			return stream.Pair[res, C]{Value: r, Context: p.Context}
		},
		func(p stream.Pair[res, C]) res { return p.Value }))
}

func buildFlow[K, V, P, A, B any](ps settings.Producer[K, V], o options, kind string, carries bool,
	envelopeOf func(A) envelope.Envelope[K, V, P], result func(A, envelope.Results[K, V, P]) B, resultOf func(B) envelope.Results[K, V, P],
) stream.Flow[A, B] {
	attach := func(b *core.Builder, name string, at core.At, next func(core.At) core.Stage[B]) core.Stage[A] {
		cl, ok := open(b, ps.ProducerConfig, o)
		recv := b.Run.NewIsland()
		st := next(at.Begun().On(recv))
		info := at.Island.AddStage(name)
		if !ok {
			return core.Stage[A]{Link: &core.Link{}}
		}
		f := &flow[K, V, P, A, B]{
			flight: newFlight(b, at.Island, info, cl, o), encode: newEncoder(ps, cl),
			slots:      core.NewSlots[B](at.Begun(), int(cl.window.records), recv),
			envelopeOf: envelopeOf, result: result,
		}
		if carries {
			f.carried = make([]A, f.slots.Size())
		}
		core.Drive(recv, f.slots, st)
		b.Run.OnEnd(func(ctx context.Context) error {
			return f.finish(ctx, func() int64 {
				return f.halfway.Load() + f.slots.Unread(func(r B) int64 { return acknowledged(resultOf(r)) })
			})
		})
		return core.Stage[A]{Push: f.push, Done: func() {
			f.slots.Close()
			f.drain()
		}, Link: f.slots.Link()}
	}
	return stream.NewFlow(func(src stream.Source[A]) stream.Source[B] {
		return stream.Source[B](blueprint.Operator(blueprint.Source[A](src), kind, attach))
	})
}

type flow[K, V, P, A, B any] struct {
	// Fixed when it is built; encode and carried are the sender's.
	*flight
	encode     *encoder[K, V]
	slots      *core.Slots[B]
	envelopeOf func(A) envelope.Envelope[K, V, P]
	result     func(A, envelope.Results[K, V, P]) B
	carried    []A // by slot, where results carry something of their elements

	// acknowledged records of MultiMessages that are not complete, or were given up
	halfway atomic.Int64

	// made ahead, by the promises: what they write is in their cache
	results []envelope.Result[K, V, P]
	entries []*entry
}

// multi collects the outcomes of a MultiMessage's records; promises are serial.
type multi[K, V, P any] struct {
	left         int
	acknowledged int64
	givenUp      bool
	errs         []error
	result       *envelope.MultiResult[K, V, P]
}

// acknowledged is the number of records that a result reports as written.
func acknowledged[K, V, P any](r envelope.Results[K, V, P]) (n int64) {
	switch r := r.(type) {
	case *envelope.Result[K, V, P]:
		if r.Err == nil {
			n = 1
		}
	case *envelope.MultiResult[K, V, P]:
		for i := range r.Parts {
			if r.Parts[i].Err == nil {
				n++
			}
		}
	}
	return n
}

func (f *flow[K, V, P, A, B]) push(a A) {
	f.isl.In(f.info)
	switch m := f.envelopeOf(a).(type) {
	case *envelope.Message[K, V, P]:
		if m != nil {
			f.single(a, m)
			return
		}
	case *envelope.MultiMessage[K, V, P]:
		if m != nil {
			f.multi(a, m)
			return
		}
	case *envelope.PassThroughMessage[K, V, P]:
		if m != nil {
			if slot, ok := f.reserve(a); ok {
				f.slots.Publish(slot)
				f.fill(slot, &envelope.PassThroughResult[K, V, P]{PassThrough: m.PassThrough})
			}
			return
		}
	}
	f.isl.Fail(f.info, nilEnvelope)
}

// reserve gives the element in hand its place in the order, which is to be published. It comes
// before the window: who waits for downstream must not keep room from his neighbours.
func (f *flow[K, V, P, A, B]) reserve(a A) (uint64, bool) {
	slot, ok := f.slots.Reserve()
	if ok && f.carried != nil {
		f.carried[slot%uint64(len(f.carried))] = a
	}
	return slot, ok
}

func (f *flow[K, V, P, A, B]) fill(slot uint64, r envelope.Results[K, V, P]) {
	var a A
	if f.carried != nil {
		i := slot % uint64(len(f.carried))
		a, f.carried[i] = f.carried[i], a
	}
	f.slots.Fill(slot, f.result(a, r))
}

func (f *flow[K, V, P, A, B]) single(a A, m *envelope.Message[K, V, P]) {
	e := f.slabs.next()
	if err := f.encode.encode(&m.Record, e); err != nil {
		f.slabs.unget()
		f.unserialised(a, &envelope.Result[K, V, P]{Record: &m.Record, PassThrough: m.PassThrough, Err: err}, err)
		return
	}
	slot, ok := f.reserve(a)
	if !ok {
		f.slabs.unget()
		return
	}
	if !f.admit(1, e.bytes) {
		f.slabs.unget()
		f.isl.TakeBack(f.slots.Token(slot))
		return
	}
	f.slots.Publish(slot)
	e.owner, e.slot, e.envelope, e.token = f, slot, m, f.slots.Token(slot)
	f.send(e)
}

// unserialised ends an envelope of which a record could not be made.
func (f *flow[K, V, P, A, B]) unserialised(a A, r envelope.Results[K, V, P], err error) {
	if !f.skip {
		f.isl.Fail(f.info, err)
		return
	}
	f.info.Skip()
	if slot, ok := f.reserve(a); ok {
		f.slots.Publish(slot)
		f.fill(slot, r)
	}
}

func (f *flow[K, V, P, A, B]) multi(a A, m *envelope.MultiMessage[K, V, P]) {
	r := &envelope.MultiResult[K, V, P]{PassThrough: m.PassThrough, Parts: make([]envelope.Part[K, V], len(m.Records))}
	for i := range m.Records {
		r.Parts[i].Record = &m.Records[i]
	}
	entries, bytes, bad, err := f.encode.encodeAll(m.Records, &f.slabs, f.entries[:0])
	f.entries = entries
	if err != nil {
		f.unserialised(a, unsent(m, bad, err), err)
		return
	}
	n := int64(len(entries))
	slot, ok := f.reserve(a)
	if !ok {
		return
	}
	if n > 0 && !f.admit(n, bytes) {
		f.isl.TakeBack(f.slots.Token(slot))
		return
	}
	f.slots.Publish(slot)
	if n == 0 {
		f.fill(slot, r)
		return
	}
	all := &multi[K, V, P]{left: len(entries), result: r}
	for i, e := range entries {
		e.owner, e.slot, e.envelope, e.part, e.token = f, slot, all, int32(i), f.slots.Token(slot)
	}
	f.sendAll(entries)
}

// unsent is the result of a MultiMessage of which nothing was sent, because of one record.
func unsent[K, V, P any](m *envelope.MultiMessage[K, V, P], bad int, err error) *envelope.MultiResult[K, V, P] {
	r := &envelope.MultiResult[K, V, P]{PassThrough: m.PassThrough, Parts: make([]envelope.Part[K, V], len(m.Records)), Err: err}
	for i := range r.Parts {
		r.Parts[i].Record, r.Parts[i].Err = &m.Records[i], ErrNotSent
	}
	r.Parts[bad].Err = err
	return r
}

func (f *flow[K, V, P, A, B]) newResult() *envelope.Result[K, V, P] {
	if len(f.results) == 0 {
		f.results = make([]envelope.Result[K, V, P], 256)
	}
	r := &f.results[0]
	f.results = f.results[1:]
	return r
}

func (f *flow[K, V, P, A, B]) outcome(e *entry, err error) {
	if err == nil || f.fault(e.token, err) {
		f.resolve(e, err)
	} else {
		f.giveUp(e)
	}
	f.slabs.back(e)
	f.landed()
}

func (f *flow[K, V, P, A, B]) resolve(e *entry, err error) {
	switch r := e.envelope.(type) {
	case *envelope.Message[K, V, P]:
		res := f.newResult()
		res.Record, res.Metadata, res.PassThrough, res.Err = &r.Record, e.metadata(), r.PassThrough, err
		f.fill(e.slot, res)
	case *multi[K, V, P]:
		part := &r.result.Parts[e.part]
		part.Metadata, part.Err = e.metadata(), err
		if err != nil {
			r.errs = append(r.errs, err)
		}
		if err == nil {
			r.acknowledged++
			f.halfway.Add(1)
		}
		r.left--
		switch {
		case r.left > 0:
		case r.givenUp:
			f.slots.GiveUp(e.slot)
		default:
			f.halfway.Add(-r.acknowledged)
			r.result.Err = errors.Join(r.errs...)
			f.fill(e.slot, r.result)
		}
	}
}

// giveUp ends the slot of a record whose failure has ended the run.
func (f *flow[K, V, P, A, B]) giveUp(e *entry) {
	if all, ok := e.envelope.(*multi[K, V, P]); ok {
		all.givenUp = true
		if all.left--; all.left > 0 {
			return
		}
	}
	f.slots.GiveUp(e.slot)
}
