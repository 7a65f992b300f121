package core

import (
	"bytes"
	"context"
	"runtime"
	"strconv"
)

// Who waits for the end of a run inside one of its own functions waits for himself. Two things tell
// it:
//
//   - the goroutine: those that run user functions are known by their ids. A goroutine has no name
//     that a program could ask for otherwise; the trace of its stack begins with it, in every
//     version of Go so far. Where that cannot be read, nobody is found inside;
//   - the context that the run has given to a function of its own, also where that has started
//     goroutines for which it waits.

type runKey struct{}

// Here notes that the calling goroutine works for the run, until leave is called on it.
func (gs *goroutines) Here() (leave func()) {
	id := goroutineID()
	if id == 0 {
		return func() {}
	}
	gs.mu.Lock()
	defer gs.mu.Unlock()
	if gs.ids == nil {
		gs.ids = map[uint64]int{}
	}
	gs.ids[id]++
	return func() {
		gs.mu.Lock()
		defer gs.mu.Unlock()
		if gs.ids[id]--; gs.ids[id] == 0 {
			delete(gs.ids, id)
		}
	}
}

// Within says that the run is run by a function of another one, if ctx is that function's: that one
// waits for it.
func (r *Run) Within(ctx context.Context) {
	r.within, _ = ctx.Value(runKey{}).(*Run)
}

// CalledFromWithin reports whether the caller is a function that the run, or one inside it, waits
// for.
func (r *Run) CalledFromWithin(ctx context.Context) bool {
	for c, _ := ctx.Value(runKey{}).(*Run); c != nil; {
		if c == r {
			return true
		}
		if c.parent != nil {
			c = c.parent
		} else {
			c = c.within
		}
	}
	id := goroutineID()
	return id != 0 && r.works(id)
}

func (r *Run) works(id uint64) bool {
	r.goroutines.mu.Lock()
	_, ours := r.ids[id]
	r.goroutines.mu.Unlock()
	for _, c := range r.allChildren() {
		ours = ours || c.works(id)
	}
	return ours
}

// goroutineID is the number in the first line of the goroutine's trace; 0 where that does not read
// as it should.
func goroutineID() uint64 {
	var buf [40]byte
	line, ok := bytes.CutPrefix(buf[:runtime.Stack(buf[:], false)], []byte("goroutine "))
	if !ok {
		return 0
	}
	digits, _, _ := bytes.Cut(line, []byte(" "))
	id, err := strconv.ParseUint(string(digits), 10, 64)
	if err != nil {
		return 0
	}
	return id
}
