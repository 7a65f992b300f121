package stream

import (
	"iter"

	"github.com/vicuna-go/vicuna/internal/core"
)

// FlatMap turns each element into any number of others ([slices.Values] makes a sequence of a
// slice). The element's offset advances when all of them are finished; with none, at once.
//
// f's sequence must not keep an element back and emit it for a later one: it would
// count as finished.
//
//   - Emits when: the sequence yields.
//   - Back-pressures when: downstream does, also in the middle of a sequence.
//   - Completes when: upstream completes.
//   - Fails when: f or its sequence panics.
//   - Order: kept.
//   - Goroutines: none of its own.
func FlatMap[A, B any](src Source[A], f func(A) iter.Seq[B]) Source[B] {
	return fused(src, "flatMap", func(at core.At, info *core.StageInfo, st core.Stage[B]) core.Stage[A] {
		isl, push, link := at.Island, st.Push, st.Link
		isl.Expanding()
		return core.Stage[A]{Push: func(a A) {
			isl.In(info)
			for b := range f(a) {
				if link.Cancelled() {
					isl.Refuse() // there would have been more
					break
				}
				push(b)
				if isl.Halted() { // a fault, or a hard stop: the element is given up
					isl.Abandon()
					break
				}
				isl.Back(info)
			}
		}, Done: st.Done, Link: st.Link}
	})
}
