package stream

import "github.com/vicuna-go/vicuna/internal/core"

// Concat joins streams one after the other. Each source is started at its turn, and none after a
// drain has begun.
//
//   - Emits when: the source whose turn it is does.
//   - Back-pressures when: 512 elements wait.
//   - Completes when: the last source has completed, or a drain has begun and the source whose turn
//     it is has completed.
//   - Fails when: a source fails, or cannot be started.
//   - Order: kept: all elements of a source before those of the next.
//   - Goroutines: the source whose turn it is has its own, and one is for what follows.
func Concat[T any](sources ...Source[T]) Source[T] {
	return newSource(func(b *core.Builder, next func(core.At) core.Stage[T]) {
		name := b.Name("concat")
		isl := b.Run.NewIsland()
		joint := core.Joint(isl)
		st := next(joint)
		isl.AddSource(name)
		core.Drive(isl, core.Intake[T](&concat[T]{run: b.Run, joint: joint, waiting: sources}), st)
	})
}

type concat[T any] struct {
	run     *core.Run
	joint   core.At
	waiting []Source[T]
	now     *core.Boundary[T]
}

func (c *concat[T]) Next() (core.Chunk[T], core.Status) {
	for {
		if c.now != nil {
			if chunk, status := c.now.Next(); status != core.Complete {
				return chunk, status
			}
			c.now = nil
		}
		if len(c.waiting) == 0 {
			return core.Chunk[T]{}, core.Complete
		}
		if c.run.Draining() {
			c.run.Cut()
			return core.Chunk[T]{}, core.Complete
		}
		src := c.waiting[0]
		c.waiting = c.waiting[1:]
		b := &core.Builder{Run: c.run}
		src.connect(b, func(at core.At) core.Stage[T] {
			c.joint.Input(at)
			c.now = core.NewBoundary[T](at, core.DefaultCapacity, c.joint.Island)
			return c.now.Stage()
		})
		b.CheckCommitters()
		if err := b.Err(); err != nil {
			c.run.Fail(err)
			return core.Chunk[T]{}, core.Empty
		}
		c.run.StartIslands()
	}
}

func (c *concat[T]) Taken(n int) { c.now.Taken(n) }

func (c *concat[T]) Ready() bool { return c.now == nil || c.now.Ready() }

// Swept implements core.Sweeper.
func (c *concat[T]) Swept(drop uint32) bool { return c.now == nil || c.now.Swept(drop) }

func (c *concat[T]) Cancel() {
	c.waiting = nil
	if c.now != nil {
		c.now.Cancel()
	}
}
