package stream

import "github.com/vicuna-go/vicuna/internal/core"

// Merge joins streams: elements go on as they come, with turns taken among those that have some.
//
//   - Emits when: one of the sources does.
//   - Back-pressures when: 512 elements of a source wait.
//   - Completes when: all sources have completed.
//   - Fails when: a source fails.
//   - Order: kept within each source.
//   - Goroutines: each source has its own, and one is for what follows.
func Merge[T any](sources ...Source[T]) Source[T] {
	return newSource(func(b *core.Builder, next func(core.At) core.Stage[T]) {
		name := b.Name("merge")
		isl := b.Run.NewIsland()
		joint := core.Joint(isl)
		st := next(joint)
		m := &merge[T]{}
		info := isl.AddSource(name)
		for _, src := range sources {
			src.connect(b, func(at core.At) core.Stage[T] {
				joint.Input(at)
				bd := core.NewBoundary[T](at, core.DefaultCapacity, isl)
				m.inputs = append(m.inputs, bd)
				return bd.Stage()
			})
		}
		m.open = append(m.open, m.inputs...)
		info.Buffers(m.len) // now that the inputs are there: a snapshot may be taken at any time
		core.Drive(isl, core.Intake[T](m), st)
	})
}

// merge takes chunks from several boundaries in turn.
type merge[T any] struct {
	inputs []*core.Boundary[T] // for len
	open   []*core.Boundary[T] // those that have not completed
	turn   int
	last   *core.Boundary[T]
}

func (m *merge[T]) len() (n int) {
	for _, in := range m.inputs {
		n += in.Len()
	}
	return n
}

func (m *merge[T]) Next() (core.Chunk[T], core.Status) {
	for range len(m.open) {
		if m.turn >= len(m.open) {
			m.turn = 0
		}
		in := m.open[m.turn]
		c, status := in.Next()
		switch status {
		case core.Ready:
			m.last = in
			m.turn++
			return c, status
		case core.Complete:
			m.open = append(m.open[:m.turn], m.open[m.turn+1:]...)
		default:
			m.turn++
		}
	}
	if len(m.open) == 0 {
		return core.Chunk[T]{}, core.Complete
	}
	return core.Chunk[T]{}, core.Empty
}

func (m *merge[T]) Taken(n int) { m.last.Taken(n) }

func (m *merge[T]) Ready() bool {
	for _, in := range m.open {
		if in.Ready() {
			return true
		}
	}
	return len(m.open) == 0
}

// Swept implements core.Sweeper.
func (m *merge[T]) Swept(drop uint32) bool {
	swept := true
	for _, in := range m.open {
		swept = in.Swept(drop) && swept // each is to note how far it is
	}
	return swept
}

func (m *merge[T]) Cancel() {
	for _, in := range m.open {
		in.Cancel()
	}
}
