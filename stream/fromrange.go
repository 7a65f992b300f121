package stream

import "github.com/vicuna-go/vicuna/internal/core"

// FromRange is a source of the numbers from one up to another, which is not among them; of none
// where it is not larger. They are made as they are taken, so that there may be any number of them:
// n elements are [Map] of FromRange(0, n). It can run many times, also at the same time, and begins
// with the first number each time.
//
//   - Emits when: downstream takes.
//   - Back-pressures when: downstream does.
//   - Completes when: the last number was emitted; a drain stops it between two numbers.
//   - Fails when: never.
//   - Order: ascending.
//   - Goroutines: one for it and what follows.
func FromRange(from, to int) Source[int] {
	return newSource(func(b *core.Builder, next func(core.At) core.Stage[int]) {
		core.DriveSource(b, "range", next, func(*core.Island) core.Intake[int] { return &numbers{next: from, to: to} })
	})
}

// numbers makes numbers a chunk at a time.
type numbers struct {
	core.IntakeBase
	next, to int // those that are not in buf yet
	buf      [256]int
	made     []int // of buf, and not taken
}

func (s *numbers) Next() (core.Chunk[int], core.Status) {
	if len(s.made) == 0 {
		n := 0
		for ; n < len(s.buf) && s.next < s.to; n++ { // their distance may be more than an int
			s.buf[n] = s.next
			s.next++
		}
		if n == 0 {
			return core.Chunk[int]{}, core.Complete
		}
		s.made = s.buf[:n]
	}
	return core.Chunk[int]{Vals: s.made}, core.Ready
}

func (s *numbers) Taken(n int) { s.made = s.made[n:] }
func (s *numbers) More() bool  { return len(s.made) > 0 || s.next < s.to }
