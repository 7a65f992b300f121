//go:build synctests

package consumer_test

import "fmt"

// outputs waits for so many more.
func (r *roll) outputs(n int) {
	r.t.Helper()
	count := func() int {
		r.journal.mu.Lock()
		defer r.journal.mu.Unlock()
		return len(r.journal.written)
	}
	before := count()
	r.await("outputs", func() bool { return count() >= before+n })
}

// pieceOf is the piece that an output was made of.
func pieceOf(value string) (p rollPiece) {
	_, _ = fmt.Sscanf(value, "%d/%d/%d", &p.partition, &p.number, &p.copy)
	return p
}
