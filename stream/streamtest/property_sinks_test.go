package streamtest_test

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vicuna-go/vicuna/internal/blueprint"
	"github.com/vicuna-go/vicuna/internal/core"
	"github.com/vicuna-go/vicuna/stream"
	"github.com/vicuna-go/vicuna/stream/streamtest"
)

func (w *world) sink(s sinkSpec) stream.Sink[*node] {
	switch s.kind {
	case "forEach":
		return stream.ForEach(func(ctx context.Context, n *node) error {
			w.arrive(s.id, s.ordered, n)
			w.pause(ctx)
			if w.fault() {
				return errFault
			}
			n.finish()
			return nil
		})
	case "forEachSkip":
		return stream.ForEach(func(ctx context.Context, n *node) error {
			w.arrive(s.id, s.ordered, n)
			w.pause(ctx)
			n.finish()
			if n.hash(s.salt)%4 == 0 {
				return errFault
			}
			return nil
		}, stream.OnError(stream.Skip()))
	case "manual":
		return stream.ForEachManual(func(ctx context.Context, n *node) error {
			w.arrive(s.id, s.ordered, n)
			w.pause(ctx)
			if n.hash(s.salt)%4 == 0 { // not handed over after all
				n.finish()
				return errFault
			}
			n.give()
			w.commit(n)
			return nil
		}, stream.OnError(stream.Skip()))
	case "toChan", "otherGraph":
		return w.toChan(s)
	default:
		if w.txn {
			return w.entering(s)
		}
		return w.late(s)
	}
}

// entering is the sink of a transaction.
func (w *world) entering(s sinkSpec) stream.Sink[*node] {
	enter := stream.NewFlow(func(src stream.Source[*node]) stream.Source[*node] {
		return streamtest.Entering(src).Tap(func(n *node) { w.enters(s.id, n) })
	})
	return enter.To(w.late(s))
}

func (w *world) late(s sinkSpec) stream.Sink[*node] {
	return lateSink(s.n, &w.users, func(n *node) { w.arrive(s.id, s.ordered, n) }, func(n *node) (time.Duration, bool) {
		d := time.Duration(w.intn(4)) * time.Millisecond
		if w.intn(100) == 0 {
			d = 300 * time.Millisecond
		}
		return d, !w.clean && !w.final.Load() && w.intn(40) == 0
	}, (*node).finish)
}

// toChan has a receiver that outlives the runs: what a run has left in the channel is committed
// when that one is over.
func (w *world) toChan(s sinkSpec) stream.Sink[*node] {
	ch := make(chan *node, s.n-1)
	// Each run has a channel of its own, and what an earlier run has left in its channel may be
	// received after the next run's first: order is a channel's.
	line := int(w.channels.Add(1)) * channelLine
	w.users.Go(func() {
		for {
			select {
			case n := <-ch:
				w.arrive(line+s.id, s.ordered, n)
				w.pause(context.Background())
				if s.kind == "otherGraph" {
					w.answer(n)
				} else {
					w.commit(n)
				}
			case <-w.closing:
				return
			}
		}
	})
	given := stream.NewFlow(func(src stream.Source[*node]) stream.Source[*node] {
		return src.Tap(func(n *node) { n.give() })
	})
	return given.To(stream.ToChan(ch))
}

// lateSink finishes elements as a Kafka producer does: later, in any order, on goroutines of its
// own, with a window of so many; also after the end of the run. what tells how late, and whether
// the answer is no.
func lateSink[T any](window int, broker *sync.WaitGroup, arrive func(T), what func(T) (after time.Duration, failed bool), finish func(T)) stream.Sink[T] {
	return stream.Sink[T](blueprint.NewSink(func(b *core.Builder, at core.At) core.Stage[T] {
		isl := at.Island
		info := isl.AddStage(b.Name("late"))
		var mu sync.Mutex // a client has one goroutine for its promises
		fin := b.Run.NewFinisher()
		var flying atomic.Int32
		return core.Stage[T]{Push: func(v T) {
			isl.In(info)
			if !isl.Await(func() bool { return flying.Load() < int32(window) || isl.CutOff() }) {
				isl.Abandon()
				return
			}
			if !isl.Claim() {
				return
			}
			t := isl.Out()
			arrive(v)
			flying.Add(1)
			after, failed := what(v)
			broker.Go(func() {
				if after > 0 {
					<-time.After(after)
				}
				mu.Lock()
				if failed {
					fin.Abandon(t)
				} else {
					finish(v)
					fin.Done(t)
				}
				mu.Unlock()
				flying.Add(-1)
				isl.Wake()
			})
		}, Done: func() { isl.Await(func() bool { return flying.Load() == 0 }) }, Link: &core.Link{}}
	}))
}
