package consumer

import (
	"fmt"
	"runtime/debug"
	"unsafe"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/internal/core"
	"github.com/vicuna-go/vicuna/internal/feed"
	"github.com/vicuna-go/vicuna/internal/reader"
	"github.com/vicuna-go/vicuna/serde"
	"github.com/vicuna-go/vicuna/stream"
)

// arriving is the intake of a lane's island: it makes elements of records when their turn has come,
// a chunk at a time. What it makes is still in the processor's cache when the stream gets it, and
// decoding is as parallel as the lanes are.
type arriving[K, V, T any] struct {
	core.Intake[*kgo.Record]
	r *reading[K, V, T]
	l *reader.Lane

	vals  []T // of the last chunk; the slice is used again
	first core.Token
	taken int
	of    *feed.Assignment[*kgo.Record]
	// what was made and given back, of other assignments than the last chunk's, by the first token
	aside map[core.Token]rest[T]
}

// rest is what is left of a chunk that was given back: a pause came within it. It is not made
// again.
type rest[T any] struct {
	vals []T
	of   *feed.Assignment[*kgo.Record]
}

// Next implements core.Intake.
func (in *arriving[K, V, T]) Next() (core.Chunk[T], core.Status) {
	c, status := in.Intake.Next()
	if status != core.Ready {
		return core.Chunk[T]{}, status
	}
	if c.First != in.first+core.Token(in.taken) || in.taken == len(in.vals) {
		in.keep()
		in.takeUp(c.First)
	}
	if left := in.vals[in.taken:]; len(left) > 0 {
		left = left[:min(len(left), len(c.Vals))]
		return core.Chunk[T]{Vals: left, First: c.First}, status
	}
	in.of = in.l.InHand()
	in.vals = in.r.shape.wrap(in.r, arrival{lane: in.l, assignment: in.of, records: c.Vals, first: c.First.Position()}, in.vals[:0])
	in.first, in.taken = c.First, 0
	return core.Chunk[T]{Vals: in.vals, First: c.First}, status
}

// keep puts aside what is left of the last chunk, and forgets what will not be asked for any more.
func (in *arriving[K, V, T]) keep() {
	for first, r := range in.aside {
		if !r.of.Live() {
			delete(in.aside, first)
		}
	}
	if in.taken == len(in.vals) {
		return
	}
	if in.of.Live() {
		if in.aside == nil {
			in.aside = map[core.Token]rest[T]{}
		}
		in.aside[in.first+core.Token(in.taken)] = rest[T]{vals: in.vals[in.taken:], of: in.of}
	}
	in.vals, in.taken = nil, 0
}

// takeUp goes on with what was put aside, where the chunk begins with it.
func (in *arriving[K, V, T]) takeUp(first core.Token) {
	if r, ok := in.aside[first]; ok {
		delete(in.aside, first)
		in.vals, in.first, in.taken, in.of = r.vals, first, 0, r.of
	}
}

// Taken implements core.Intake.
func (in *arriving[K, V, T]) Taken(n int) {
	clear(in.vals[in.taken : in.taken+n])
	in.taken += n
	in.Intake.Taken(n)
}

// More implements core.Beginning.
func (in *arriving[K, V, T]) More() bool { return in.Intake.(core.Beginning).More() }

// arrival is a run of records of one assignment whose turn has come.
type arrival struct {
	lane       *reader.Lane
	assignment *feed.Assignment[*kgo.Record]
	records    []*kgo.Record
	first      uint64 // the position of the first
}

func wrapRecords[K, V any](r *reading[K, V, *Record[K, V]], d arrival, vals []*Record[K, V]) []*Record[K, V] {
	slab := r.newRecords(&d)
	for i := range slab {
		rec := &slab[i]
		rec.kgo = d.records[i]
		vals = append(vals, rec)
	}
	for i := 0; i < len(slab); {
		i += decode(r, d, slab[i:], func(rec *Record[K, V]) *Record[K, V] { return rec })
	}
	return vals
}

func wrapMessages[K, V any](r *reading[K, V, *CommittableMessage[K, V]], d arrival, vals []*CommittableMessage[K, V]) []*CommittableMessage[K, V] {
	slab, all := r.newMessages(&d)
	all.assignment, all.group, all.first = d.assignment, r.Door(), d.first
	for i := range slab {
		m := &slab[i]
		m.kgo = d.records[i]
		m.at = place[K, V]{all, i}
		m.Offset = &m.at
		vals = append(vals, m)
	}
	for i := 0; i < len(slab); {
		i += decode(r, d, slab[i:], func(m *CommittableMessage[K, V]) *Record[K, V] { return &m.Record })
	}
	if r.shape.metadata != nil {
		r.AddMetadata(d.assignment, d.records, func(i int) string {
			if rec := &slab[i].Record; rec.failure == nil {
				return metadataOf(r, d, rec)
			}
			return ""
		})
	}
	return vals
}

// decode decodes the records of elements, and returns how many: all of them, unless a serde panics,
// which fails its own record.
func decode[K, V, T, E any](r *reading[K, V, T], d arrival, slab []E, record func(*E) *Record[K, V]) (n int) {
	dec := decoder[K, V]{key: r.key, value: r.value}
	defer func() {
		if p := recover(); p != nil {
			d.fail(record(&slab[n]), dec.part, &stream.PanicError{Value: p, Stack: debug.Stack()})
			n++
		}
	}()
	for ; n < len(slab); n++ {
		rec := record(&slab[n])
		if rec.kgo.Attrs.IsControl() {
			d.leaveOut(rec)
			continue
		}
		if err := dec.decode(rec); err != nil {
			d.fail(rec, dec.part, err)
		}
	}
	return n
}

// fail marks a record that cannot be decoded.
func (d *arrival) fail(r interface{ fail(*failure) }, part string, err error) {
	r.fail(&failure{part: part, err: err, undecodable: true})
	d.lane.Suspect.Store(true)
}

// leaveOut marks a transaction's marker. It has an offset like a record, which is finished when its
// turn has come, and is given to nobody.
func (d *arrival) leaveOut(r interface{ leaveOut() }) {
	r.leaveOut()
	d.lane.Suspect.Store(true)
}

// decoder makes keys and values; part is the one in hand.
type decoder[K, V any] struct {
	key   serde.Deserializer[K]
	value serde.Deserializer[V]
	part  string
}

// decode decodes what can be: of a record whose key is wrong the value too. The first error counts.
func (d *decoder[K, V]) decode(r *Record[K, V]) (err error) {
	raw := r.kgo
	failed := ""
	if raw.Key != nil {
		d.part = "key"
		if r.Key, err = d.key.Deserialize(raw.Topic, raw.Key); err != nil {
			failed = d.part
		}
	}
	if raw.Value != nil {
		d.part = "value"
		value, verr := d.value.Deserialize(raw.Topic, raw.Value)
		r.Value = value
		if verr != nil && err == nil {
			err, failed = verr, d.part
		}
	}
	if err != nil {
		d.part = failed
	}
	return err
}

// elementBytes is what an element of ours takes beside what it points at.
func elementBytes[E any]() int64 {
	var e E
	return int64(unsafe.Sizeof(e)) + 8
}

// metadataOf calls the user's function.
func metadataOf[K, V, T any](r *reading[K, V, T], d arrival, rec *Record[K, V]) (meta string) {
	var err error
	defer func() {
		if p := recover(); p != nil {
			err = &stream.PanicError{Value: p, Stack: debug.Stack()}
		}
		if err != nil {
			rec.failure = &failure{err: &UserError{
				What: "metadata function", Partitions: []TopicPartition{{Topic: rec.Topic(), Partition: rec.Partition()}}, Err: fmt.Errorf("offset %d: %w", rec.Offset(), err),
			}}
			d.lane.Suspect.Store(true)
		}
	}()
	meta, err = r.shape.metadata(rec)
	return meta
}
