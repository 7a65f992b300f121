package stream

import (
	"errors"

	"github.com/vicuna-go/vicuna/internal/core"
)

// Errors that Run returns; match them with errors.Is.
var (
	// ErrDrained: the sources were stopped before their end, or records were given back, and everything that
	// had begun was finished. The error is the cause of the drain too.
	ErrDrained = core.ErrDrained
	// ErrStopped: the run was stopped by [Control.Stop].
	ErrStopped = core.ErrStopped
	// ErrDrainTimeout: a drain did not finish within the [DrainTimeout]: retries were given up, or the rest was
	// stopped hard. The error is a [*GivenUpError].
	ErrDrainTimeout = core.ErrDrainTimeout
	// ErrFromWithin: [Control.Drain] was called by a function that the run itself waits for.
	ErrFromWithin = errors.New("vicuna: Drain was called by a function of the run, which would wait for itself: the drain has begun and goes on; its end is to be waited for elsewhere")
	// ErrGoexit: a user function has ended a goroutine of the run with [runtime.Goexit].
	ErrGoexit = core.ErrGoexit
	// ErrNoGraph: a zero Graph was run.
	ErrNoGraph = errors.New("vicuna: the graph is empty: it has no source and no sink")
	// ErrFlowInput: a flow in front of a sink does not use its input once and at once; see [Flow.To].
	ErrFlowInput = errors.New("vicuna: a flow in front of a sink has to use its input once, and not as a later part of a Concat")
	// ErrEmpty: [First] found no element.
	ErrEmpty = errors.New("vicuna: the stream has completed without an element")
	// ErrTaken: a live sub-source was run a second time, or outside its parent.
	ErrTaken = errors.New("vicuna: a live sub-source can run once, inside its parent")
)

// StageError is an error of a stage with its place: the stage's name and, where known, topic, partition and offset of the record.
type StageError = core.StageError

// GivenUpError says that a run has ended before all that had begun was finished, and counts what was given up.
// It matches its cause: [ErrDrainTimeout] or [ErrStopped].
type GivenUpError = core.GivenUpError

// GivenUp counts the records of a partition that were given up in a stage.
type GivenUp = core.GivenUp

// PanicError is a panic of a user function, with the stack.
type PanicError = core.PanicError

// StuckError says that user code had not returned when the run ended; it names the stages.
type StuckError = core.StuckError
