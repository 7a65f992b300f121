package stream

import "github.com/vicuna-go/vicuna/internal/core"

// Broadcast sends each element to every sink. An element is finished when all have finished it. A sink that wants no more elements while another goes on
// has had its share: it holds nobody up. With no sink it ignores what it gets.
//
//   - Emits when: an element is there.
//   - Back-pressures when: 512 elements wait for one of the sinks.
//   - Completes when: upstream completes; or every sink wants no more.
//   - Fails when: a sink does.
//   - Order: kept for each sink.
//   - Goroutines: one for each sink.
func Broadcast[T any](sinks ...Sink[T]) Sink[T] {
	return Sink[T]{attach: func(b *core.Builder, at core.At) core.Stage[T] {
		name := b.Name("broadcast")
		scopes := core.Branches(at.Scope, len(sinks))
		branches := make([]core.Stage[T], len(sinks))
		link := &core.Link{}
		for i, sink := range sinks {
			inner := core.At{Island: at.Island, Scope: scopes[i], Line: at.Line}.Begun()
			branches[i] = async(b, inner, name, core.DefaultCapacity, true, func(at core.At) core.Stage[T] { return sink.stage(b, at) })
			branches[i].Link.Up = func() {
				scopes[i].End()
				if scopes[i].Over() {
					link.Cancel()
				}
			}
		}
		at.KeepsUnbegun()
		at.Island.Expanding()
		at.Island.Splits(scopes)
		return core.Stage[T]{Push: func(v T) {
			if link.Cancelled() {
				at.Island.Refuse(at.Scope)
				return
			}
			for _, branch := range branches {
				if !branch.Link.Cancelled() {
					branch.Push(v)
				}
			}
		}, Done: func() {
			for _, branch := range branches {
				branch.Done()
			}
		}, Link: link}
	}}
}
