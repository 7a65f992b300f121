package core

import "context"

// userFed is the receiving end of a source in user code: an iterator, a function. The code has a
// goroutine and a boundary of its own, because nobody knows when it comes back. When a drain
// begins, or no more is wanted, what it has given is the rest, whether it comes back or not.
type userFed[T any] struct {
	*Boundary[T]
	run    *Run
	cancel context.CancelFunc
	// release is set by the sender's start.
	release func()
	sealed  bool
}

// FromUser builds a source in user code. produce runs on its own goroutine; emit reports false when
// no more is wanted, ctx is cancelled then and when a drain begins.
func FromUser[T any](b *Builder, name string, next func(At) Stage[T], produce func(ctx context.Context, emit func(T) bool) error) {
	r := b.Run
	recv := r.NewIsland()
	st := next(At{Island: recv})
	send := r.NewIsland()
	send.swept.Store(sweptForEver) // it does not go round, and has no tokens
	info := send.AddStage(name)
	bd := NewBoundary[T](At{Island: send}, DefaultCapacity, recv)
	info.Buffers(bd.Len)
	info.Counts(bd.Sent)
	ctx, cancel := context.WithCancel(r.SourceContext())
	in := &userFed[T]{Boundary: bd, run: r, cancel: cancel}
	emit := func(v T) bool {
		if send.noMore || r.Stopped() {
			return false
		}
		before := bd.ltail
		bd.Push(v)
		// then nothing more is accepted; whether this one was, invariant 3 tells
		if bd.sealed.Load() {
			return bd.ltail != before && before < bd.final.Load()-1
		}
		return bd.ltail != before
	}
	bd.sendLink.Up = func() { send.noMore = true }
	Drive(recv, Intake[T](in), st)
	r.OnStart(func() {
		in.release = r.GoUser(name, func() {
			defer bd.Close()
			defer cancel()
			send.stage = info
			send.guard(func() {
				if err := produce(ctx, emit); err != nil {
					send.Fail(info, err)
				}
				// its context has ended: whether it would have gone on, nobody knows
				if r.Draining() {
					r.Cut()
				}
			})
			send.publish()
		})
	})
}

func (u *userFed[T]) Next() (Chunk[T], Status) {
	if !u.sealed && u.run.Draining() {
		u.sealed = true
		if !u.closed.Load() {
			u.run.Cut()
		}
		u.Seal()
		u.release()
	}
	return u.Boundary.Next()
}

func (u *userFed[T]) Cancel() {
	u.cancel()
	u.Boundary.Cancel()
	u.release()
}
