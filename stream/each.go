package stream

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/vicuna-go/vicuna/internal/core"
)

// Sub is a stream that appears while another runs: a partition that was assigned, a group.
type Sub[K, T any] struct {
	Key    K
	Source Source[T]
}

// Each runs a graph for every sub-stream, at most n at the same time (0: however many there are). A
// child is a run of its own with its own goroutines; it shares the parent's hurry, and is drained
// and stopped with it. A child's failure fails the parent; with OnError(Skip()) it is counted and
// the others go on.
//
// The element that brought the sub-stream is finished when its child is. A child that a drain has
// cut short gives it up.
//
//   - Emits when: it is an end of a stream.
//   - Back-pressures when: n children run.
//   - Completes when: upstream completes and every child has.
//   - Fails when: a child does, or its graph cannot be built, and the policy does not say
//     otherwise; graph panics.
//   - Order: children are started in order and run at the same time.
//   - Goroutines: one that watches over each child, and the child's own.
func Each[K, T any](src Source[Sub[K, T]], n int, graph func(K, Source[T]) Graph, opts ...Option) Graph {
	cfg := configure(opts)
	return src.To(newSink(func(b *core.Builder, at core.At) core.Stage[Sub[K, T]] {
		if cfg.policy.retries() {
			b.Fail(errors.New("vicuna: each: a child cannot be retried: its sub-stream runs once"))
		}
		isl, r, name := at.Island, b.Run, b.Name("each")
		r.HasSubGraphs()
		info := isl.AddStage(name)
		var running atomic.Int64
		// ended accounts for a child; it reports whether its element is finished.
		ended := func(child *core.Run, err error) bool {
			switch {
			case err == nil:
				return true
			case r.Stopped(): // what the child says besides is part of the outcome
				r.Report(child.Reports()...)
			case r.Draining() && r.AdoptEnd(err): // its siblings go on
				r.Report(child.Reports()...)
			case cfg.policy.skip:
				info.Skip()
				return true
			default:
				r.Fail(err)
			}
			return false
		}
		return core.Stage[Sub[K, T]]{Push: func(sub Sub[K, T]) {
			isl.In(info)
			if !isl.Claim() {
				return
			}
			if n > 0 && !isl.Await(func() bool { return running.Load() < int64(n) }) {
				isl.Abandon()
				return
			}
			g := graph(sub.Key, sub.Source)
			child := r.Child()
			if _, err := g.buildInto(child); err != nil {
				r.Leave(child)
				if !ended(child, err) {
					isl.Abandon()
				}
				return
			}
			running.Add(1)
			token := isl.Out()
			r.GoChild(name, func() {
				err := child.Supervise(context.WithoutCancel(r.Context()))
				r.Leave(child)
				r.Ledger.End(token, ended(child, err))
				running.Add(-1)
				isl.Wake()
			})
		}, Done: func() { isl.Await(func() bool { return running.Load() == 0 }) }, Link: &core.Link{}}
	}))
}
