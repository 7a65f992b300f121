package fields

import (
	"sync"
	"sync/atomic"
)

type single struct {
	a int
	b int
}

type hat struct {
	mu sync.Mutex
	a  int
	b  int

	c int
}

type embedded struct {
	sync.RWMutex
	a int

	*hat
}

type commented struct {
	// Written by the run's goroutine alone.
	a int
	b int

	c int // set by newCommented
	// under mu of the hat
	d int

	n atomic.Int64 // added to by all
}

type halfway struct {
	a int // set once
	b int
	n atomic.Pointer[hat]
}

type last struct {
	n  int
	mu sync.Mutex
}

type slots struct {
	state []int
	mask  uint64
	inner struct{ mu sync.Mutex }
}

// The wants stand here, since at a field they would be its comment.
//
// want(-41) `hat, which goroutines share, does not say who writes c`
// want(-35) `who writes hat`
// want(-19) `who writes b`
// want(-19) `who writes n`
// want(-16) `who writes n`
// want(-16) `who writes mu`
