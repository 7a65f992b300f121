package stream

import (
	"context"
	"iter"

	"github.com/vicuna-go/vicuna/internal/core"
)

// All runs the stream and yields its elements to a range loop, on the loop's own goroutine. An
// error is yielded last, with a zero element. Breaking off stops the stream, and returns when it is
// over; the element in hand counts as handed over, the rest is given up. After a break nobody can
// be told of an error any more, also of one that has already happened and was not yielded: who must
// know ends the stream from within ([Source.TakeWhile], a context) and ranges on.
//
// A record that is yielded is finished by the Commit of its Committable, or, where the source gives
// out none, by the loop coming back for more.
//
// An element that was made of a [Batch], a part of it too, hands over all records of the batch:
// each is finished by the Commit of its own Committable. So Commit has to be called on every one of
// them, also on those that the element does not show; a committing stage of another graph finishes
// only what its elements show, so take a batch apart behind the channel and not before it.
//
//   - Emits when: it is an end of a stream.
//   - Back-pressures when: the loop's body runs and 512 elements wait.
//   - Completes when: upstream completes, or the loop is left.
//   - Fails when: upstream does; a panic in the loop's body goes on through the loop, after the
//     end of the run.
//   - Order: kept.
//   - Goroutines: one for what is before it; the body runs on the caller's.
func (s Source[T]) All(ctx context.Context, opts ...RunOption) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		limits, err := limitsOf(opts)
		if err != nil {
			yield(none, err)
			return
		}
		var loop func()
		left := false
		r, err := newGraph(func(b *core.Builder) {
			s.connect(b, func(at core.At) core.Stage[T] {
				recv := b.Run.NewIsland()
				info := recv.AddStage("all")
				bd := core.NewBoundary[T](at, core.DefaultCapacity, recv)
				info.Buffers(bd.Len)
				link := &core.Link{}
				loop = core.DriveHere(recv, core.Intake[T](bd), core.Stage[T]{Push: func(v T) {
					recv.In(info)
					if !recv.Claim() {
						return
					}
					recv.HandOver()
					if !left && !yield(v, nil) {
						left = true
						link.Cancel()
					}
				}, Done: func() {}, Link: link})
				return bd.Stage()
			})
		}).buildInto(core.NewRun(ctx, limits))
		if err != nil {
			yield(none, err)
			return
		}
		r.Begin(ctx)
		finished := false
		defer func() {
			if !finished { // the body has panicked, or has ended its goroutine
				r.Stop(ErrStopped)
			}
			<-r.DoneC()
		}()
		loop()
		finished = true
		<-r.DoneC()
		if err := r.Err(); err != nil && !left {
			yield(none, err)
		}
	}
}
