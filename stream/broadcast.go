package stream

import "github.com/vicuna-go/vicuna/internal/core"

// Broadcast sends each element to every sink. An element is finished when all have finished it. A
// sink that wants no more elements while another goes on has had its share: it holds nobody up, and
// what it refuses is finished where another sink has taken it. With no sink it ignores what it
// gets.
//
//   - Emits when: an element is there.
//   - Back-pressures when: 512 elements wait for one of the sinks.
//   - Completes when: upstream completes; or every sink wants no more.
//   - Fails when: a sink does.
//   - Order: kept for each sink.
//   - Goroutines: one for each sink.
func Broadcast[T any](sinks ...Sink[T]) Sink[T] {
	return newSink(func(b *core.Builder, at core.At) core.Stage[T] {
		name := b.Name("broadcast")
		branches := make([]core.Stage[T], len(sinks))
		link := &core.Link{}
		alive := len(sinks) // the island's
		inner := at.Begun()
		for i, sink := range sinks {
			branches[i] = async(b, inner, name, core.DefaultCapacity, true, func(at core.At) core.Stage[T] { return sink.stage(b, at) })
			branches[i].Link.Up = func() {
				if alive--; alive == 0 {
					link.Cancel()
				}
			}
		}
		at.KeepsUnbegun()
		isl := at.Island
		return core.Stage[T]{Push: func(v T) {
			if link.Cancelled() {
				isl.Refuse()
				return
			}
			outer := isl.EnterBranches()
			for _, branch := range branches {
				if !branch.Link.Cancelled() {
					branch.Push(v)
				}
			}
			isl.Leave(outer)
		}, Done: func() {
			for _, branch := range branches {
				branch.Done()
			}
		}, Link: link}
	})
}
