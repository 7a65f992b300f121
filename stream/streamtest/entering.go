package streamtest

import (
	"errors"

	"github.com/vicuna-go/vicuna/internal/blueprint"
	"github.com/vicuna-go/vicuna/internal/core"
	"github.com/vicuna-go/vicuna/stream"
)

// ErrForeign says that an element without an offset came to [Entering]: after an abort nobody would
// deliver it again.
var ErrForeign = errors.New("vicuna: streamtest: an element that is not of the transaction's source enters it")

// Entering is where elements enter the transaction of a [Transactional] source, as the outputs of a
// transactional session do at its sinks: while a transaction ends, only those go on of whose
// records something has entered, and the others wait here, and enter the next one. Whatever goes
// out of a graph for good stands after it.
//
//   - Emits when: an element comes, or the transaction has ended that it waits for.
//   - Back-pressures when: downstream does. What waits here waits beside the stream, and is bounded
//     by what the source has in flight.
//   - Completes when: upstream completes and everything has gone on.
//   - Fails when: an element has no offset.
//   - Order: kept for each partition.
//   - Goroutines: none of its own.
func Entering[T any](src stream.Source[T]) stream.Source[T] {
	return stream.Source[T](blueprint.Operator(blueprint.Source[T](src), "entering",
		func(b *core.Builder, name string, at core.At, next func(core.At) core.Stage[T]) core.Stage[T] {
			st := next(at.Begun())
			info := at.Island.AddStage(name)
			return core.GateStage(at, info, st, func() { at.Island.Fail(info, ErrForeign) })
		}))
}
