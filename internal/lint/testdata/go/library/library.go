package library

import "sync"

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
