package envelope

// Envelope is what a producer stage takes: no record, one, or several, and the
// user's pass-through. It is one of three, and nobody can add a fourth:
//
//   - *[Message]: one record ([Single]),
//   - *[MultiMessage]: any number of records that belong together ([Multi]),
//   - *[PassThroughMessage]: nothing to send ([PassThrough]).
//
// Each envelope gives exactly one element of [Results], and those come in the
// order of the envelopes.
type Envelope[K, V, P any] interface {
	// Pass returns the pass-through value.
	Pass() P

	// sealed names K and V as well, so that envelopes of other record types
	// do not satisfy the interface.
	sealed(K, V)
}

// Message is an [Envelope] with one record. Record and pass-through are held by
// value: the message is the one allocation for both.
type Message[K, V, P any] struct {
	Record      Record[K, V]
	PassThrough P
}

// MultiMessage is an [Envelope] with any number of records, for any topics. It
// is done when all of them are acknowledged; with no records it is done at
// once, in its place in the order. It is not a transaction: where a record
// fails, the others may have been written.
type MultiMessage[K, V, P any] struct {
	Records     []Record[K, V]
	PassThrough P
}

// PassThroughMessage is an [Envelope] without a record. It keeps its place in
// the order: its result comes after the results of the envelopes before it.
type PassThroughMessage[K, V, P any] struct {
	PassThrough P
}

// Single returns the envelope of one record, a *[Message], in one allocation.
// A stage that makes many of them can use a [Slab].
func Single[K, V, P any](rec Record[K, V], p P) Envelope[K, V, P] {
	return &Message[K, V, P]{Record: rec, PassThrough: p}
}

// Multi returns the envelope of several records, a *[MultiMessage]. It keeps
// recs itself, not a copy.
func Multi[K, V, P any](recs []Record[K, V], p P) Envelope[K, V, P] {
	return &MultiMessage[K, V, P]{Records: recs, PassThrough: p}
}

// PassThrough returns an envelope that sends nothing, a *[PassThroughMessage].
// The record's types are named, the pass-through's is inferred:
// PassThrough[string, Invoice](m.Offset).
func PassThrough[K, V, P any](p P) Envelope[K, V, P] {
	return &PassThroughMessage[K, V, P]{PassThrough: p}
}

// Pass returns the pass-through value.
func (m *Message[K, V, P]) Pass() P { return m.PassThrough }

// Pass returns the pass-through value.
func (m *MultiMessage[K, V, P]) Pass() P { return m.PassThrough }

// Pass returns the pass-through value.
func (m *PassThroughMessage[K, V, P]) Pass() P { return m.PassThrough }

func (*Message[K, V, P]) sealed(K, V)            {}
func (*MultiMessage[K, V, P]) sealed(K, V)       {}
func (*PassThroughMessage[K, V, P]) sealed(K, V) {}
