package library

import (
	"context"
	"sync"
	"time"
)

func start(f func()) {
	go f() // want `a goroutine outside of the launcher`
	var wg sync.WaitGroup
	wg.Go(f) // want `a WaitGroup's goroutine`
}

type runner struct{}

func (runner) Go(what string, f func()) {
	func() {
		go f() // want `a goroutine outside of the launcher`
	}()
}

func launched(r runner) { r.Go("what", func() {}) }

func later(ctx context.Context, f func()) {
	time.AfterFunc(time.Second, f) // want `a timer's or context's goroutine`
	context.AfterFunc(ctx, f)      // want `a timer's or context's goroutine`
}
