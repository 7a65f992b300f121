package core

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

// Sentinels; package stream exports them.
var (
	ErrDrained      = errors.New("vicuna: the stream was drained")
	ErrStopped      = errors.New("vicuna: the stream was stopped")
	ErrDrainTimeout = errors.New("vicuna: the drain did not finish in time")
	ErrGoexit       = errors.New("vicuna: a user function has ended its goroutine (runtime.Goexit; FailNow of a test does that)")
)

// StageError is an error with its place.
type StageError struct {
	// Stage is the name of the stage.
	Stage string
	// Topic, Partition and Offset are those of the record in hand, where Located is true.
	Topic     string
	Partition int32
	Offset    int64
	Located   bool
	// Err is what went wrong.
	Err error

	run *identity // that of the run whose stage it is
}

func (e *StageError) Error() string {
	if e.Located {
		return fmt.Sprintf("vicuna: stage %q, %s[%d]@%d: %v", e.Stage, e.Topic, e.Partition, e.Offset, e.Err)
	}
	return fmt.Sprintf("vicuna: stage %q: %v", e.Stage, e.Err)
}

func (e *StageError) Unwrap() error { return e.Err }

// PanicError is a panic of a user function.
type PanicError struct {
	// Value is what was given to panic.
	Value any
	// Stack is the stack of the goroutine that panicked.
	Stack []byte
}

func (e *PanicError) Error() string {
	if at := e.place(); at != "" {
		return fmt.Sprintf("panic: %v (%s)", e.Value, at)
	}
	return fmt.Sprintf("panic: %v", e.Value)
}

// place is the folder, file and line of the panic; "" where the stack does not tell. The stack
// lists two lines for each call, the latest first, and those of the runtime's own after the call of
// panic are left out.
func (e *PanicError) place() string {
	lines := strings.Split(string(e.Stack), "\n")
	for i := len(lines) - 2; i > 0; i-- {
		if !strings.HasPrefix(lines[i], "panic(") {
			continue
		}
		for i += 2; i+1 < len(lines); i += 2 {
			if strings.HasPrefix(lines[i], "runtime.") {
				continue
			}
			at, _, _ := strings.Cut(strings.TrimSpace(lines[i+1]), " ")
			return filepath.Join(filepath.Base(filepath.Dir(at)), filepath.Base(at))
		}
	}
	return ""
}

// Unwrap returns the panic's value where it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// StuckError says that user code had not returned when the run ended: a goroutine is left behind,
// and nothing can be done about it.
type StuckError struct {
	// Stages are the stages, or chains of fused stages, that had not returned.
	Stages []string
	// After is how long they were waited for, from the hard stop (or the end of all others) on.
	After time.Duration
}

func (e *StuckError) Error() string {
	return fmt.Sprintf("vicuna: user code has not returned within %v and goes on in the background: %s", e.After, strings.Join(e.Stages, ", "))
}

// drainedError is ErrDrained with its cause.
type drainedError struct{ cause error }

func (e *drainedError) Error() string {
	if e.cause == nil {
		return ErrDrained.Error()
	}
	return ErrDrained.Error() + ": " + e.cause.Error()
}

func (e *drainedError) Unwrap() []error {
	if e.cause == nil {
		return []error{ErrDrained}
	}
	return []error{ErrDrained, e.cause}
}

// OnlyDrained reports whether err says no more than that the run was drained and what had begun was
// finished.
func OnlyDrained(err error) bool {
	_, ok := err.(*drainedError)
	return ok
}
