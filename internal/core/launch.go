package core

import "runtime/debug"

// launch is where every goroutine of the library begins. ended is called at its end, on it: with
// nil where f has returned, with a [*PanicError], or with [ErrGoexit].
func launch(f func(), ended func(err error)) {
	go func() {
		returned := false
		defer func() {
			switch p := recover(); {
			case p != nil:
				ended(newPanicError(p))
			case !returned:
				ended(ErrGoexit)
			default:
				ended(nil)
			}
		}()
		f()
		returned = true
	}()
}

// Safely calls f, and makes an error of its panic.
func Safely(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = newPanicError(p)
		}
	}()
	return f()
}

func newPanicError(p any) *PanicError { return &PanicError{Value: p, Stack: debug.Stack()} }
