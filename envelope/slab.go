package envelope

// slabSize is how many envelopes a Slab allocates at a time. At 256 the
// allocation is 0.004 of one for each envelope; more would only keep more
// memory alive behind one retained element.
const slabSize = 256

// Slab makes envelopes and records out of blocks of 256, so that next to nothing is
// allocated for each of them. The zero Slab is ready for use:
//
//	var slab envelope.Slab[string, Invoice, envelope.Committable]
//	src := stream.Map(orders, func(o Order) envelope.Envelope[string, Invoice, envelope.Committable] {
//		return slab.Single(invoice(o), o.Offset)
//	})
//
// A Slab is not for concurrent use: one for each stage that runs (a stage
// function that a parallel operator calls needs [Single], and a graph that runs
// twice at the same time must not share one).
//
// Envelopes are never reused: each call gives a fresh one. A kept envelope keeps
// its whole block alive, so copy what is retained for long.
//
// So the values of a block live until the last of it is done with: up to 256 of them. Where they
// are large, make each by itself.
type Slab[K, V, P any] struct {
	records  []Record[K, V]
	messages []Message[K, V, P]
	passes   []PassThroughMessage[K, V, P]
}

// Single is [Single] from the slab.
func (s *Slab[K, V, P]) Single(rec Record[K, V], p P) Envelope[K, V, P] {
	if len(s.messages) == 0 {
		s.messages = make([]Message[K, V, P], slabSize)
	}
	m := &s.messages[0]
	s.messages = s.messages[1:]
	m.Record, m.PassThrough = rec, p
	return m
}

// Record returns a copy of a record, for stages that take records without an envelope
// (producer.PlainSink); P is [None] then.
func (s *Slab[K, V, P]) Record(rec Record[K, V]) *Record[K, V] {
	if len(s.records) == 0 {
		s.records = make([]Record[K, V], slabSize)
	}
	r := &s.records[0]
	s.records = s.records[1:]
	*r = rec
	return r
}

// PassThrough is [PassThrough] from the slab.
func (s *Slab[K, V, P]) PassThrough(p P) Envelope[K, V, P] {
	if len(s.passes) == 0 {
		s.passes = make([]PassThroughMessage[K, V, P], slabSize)
	}
	m := &s.passes[0]
	s.passes = s.passes[1:]
	m.PassThrough = p
	return m
}
