package partition

import (
	"context"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Pending is the context of a record that may be taken back until it has a
// partition: as long as the client does not know the record's topic, it keeps the
// record apart, and asks the partitioner when it has learnt of the topic. After
// that, a record is in a batch with others and cannot be taken out.
//
// It ends as the context in it does.
type Pending struct {
	context.Context              // fixed when it is made
	state           atomic.Int32 // one of the following
}

const (
	waiting int32 = iota
	gone
	takenBack
)

// TakeBack takes the record back; false: it has a partition already. Harmless when repeated.
func (p *Pending) TakeBack() bool {
	return p.state.CompareAndSwap(waiting, takenBack) || p.state.Load() == takenBack
}

// TakenBack returns whether the record was taken back.
func (p *Pending) TakenBack() bool { return p.state.Load() == takenBack }

// Wait says that the record has come back from the client, without its partition.
func (p *Pending) Wait() { p.state.CompareAndSwap(gone, waiting) }

// lost returns whether the record was taken back, which fails it: a partitioner
// can do that to one record without its neighbours.
func lost(r *kgo.Record) bool {
	p, ok := r.Context.(*Pending)
	return ok && !p.state.CompareAndSwap(waiting, gone) && p.state.Load() == takenBack
}
