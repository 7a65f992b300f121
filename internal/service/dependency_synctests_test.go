//go:build synctests

package service_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vicuna-go/vicuna/envelope"
)

var (
	// errAway passes: who calls tries again.
	errAway = errors.New("the dependency is away for a moment")
	// errRejected does not: there is no use in calling again.
	errRejected = errors.New("the dependency rejects the order")
)

// dependency is what a service calls: slow, and away now and then.
type dependency struct {
	shortest, longest time.Duration
	failing           float64      // part of the calls, twice in a row for one order at most
	down              *atomic.Bool // while it is, every call fails
	failed            *sync.Map    // how often calls for an order have failed

	begun, answered, running atomic.Int64 // calls
}

// quick answers within 5 to 50 ms, slow within half a second, and both fail twice in a hundred
// calls.
func quick() dependency {
	return dependency{shortest: 5 * time.Millisecond, longest: 50 * time.Millisecond, failing: 0.02}
}

func slow() dependency {
	return dependency{shortest: 500 * time.Millisecond, longest: 500 * time.Millisecond, failing: 0.02}
}

// call asks about something. Where one call is made at a time, each takes a part of what it would
// take beside others, so that all services work at about the same rate.
func (d *dependency) call(ctx context.Context, part int, o order) error {
	d.begun.Add(1)
	d.running.Add(1)
	defer d.running.Add(-1)
	timer := time.NewTimer((d.shortest + rand.N(d.longest-d.shortest+1)) / time.Duration(part))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if d.down.Load() || d.fails(o) {
		return errAway
	}
	d.answered.Add(1)
	return nil
}

// fails says that a call for the order fails this time. A third time in a row it does not: how long
// an end takes where the dependency is well is no matter of luck.
func (d *dependency) fails(o order) bool {
	if rand.Float64() >= d.failing {
		return false
	}
	type place struct {
		partition int32
		offset    int64
	}
	n, _ := d.failed.LoadOrStore(place{o.partition, o.offset}, new(atomic.Int64))
	return n.(*atomic.Int64).Add(1) <= 2
}

// ask is a call about an order, as a stage's function; pay one that gives its outputs.
func (d *dependency) ask(ctx context.Context, o order) (order, error) { return o, d.call(ctx, 1, o) }

func (d *dependency) pay(ctx context.Context, o order) (outputs, error) {
	return o.outputs(topicA, topicB), d.call(ctx, 1, o)
}

// inTurn are the same for stages that make one call at a time.
func (d *dependency) inTurn(ctx context.Context, o order) (order, error) {
	return o, d.call(ctx, workers, o)
}

func (d *dependency) payInTurn(ctx context.Context, o order) (outputs, error) {
	return o.outputs(topicA, topicB), d.call(ctx, workers, o)
}

// judged is pay that rejects some orders, for good.
func (d *dependency) judged(ctx context.Context, o order) (outputs, error) {
	out, err := d.pay(ctx, o)
	if err == nil && o.rejected() {
		err = errRejected
	}
	return out, err
}

func (d *dependency) judgedInTurn(ctx context.Context, o order) (outputs, error) {
	out, err := d.payInTurn(ctx, o)
	if err == nil && o.rejected() {
		err = errRejected
	}
	return out, err
}

// payAll is one call for a batch.
func (d *dependency) payAll(ctx context.Context, batch []order) (outputs, error) {
	recs := make([]envelope.Record[string, string], 0, parts*len(batch))
	for _, o := range batch {
		recs = append(recs, o.part(topicA, 0), o.part(topicB, 1))
	}
	return envelope.Multi(recs, batch[len(batch)-1].commit), d.call(ctx, 1, batch[0])
}

// payLane is a call for one part of an order.
func (d *dependency) payLane(ctx context.Context, l lane) (outputs, error) {
	return envelope.Single(l.part([]string{topicA, topicB}[l.i], l.i), l.commit), d.call(ctx, 1, l.order)
}
