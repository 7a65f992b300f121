package stream

import (
	"errors"

	"github.com/vicuna-go/vicuna/internal/blueprint"
	"github.com/vicuna-go/vicuna/internal/core"
)

// Errors that Run returns; match them with errors.Is.
var (
	// ErrDrained: the sources were stopped before their end, or records were given back, and
	// everything that had begun was finished. The error is the cause of the drain too.
	ErrDrained = core.ErrDrained
	// ErrStopped: the run was stopped by [Control.Stop].
	ErrStopped = core.ErrStopped
	// ErrDrainTimeout: a drain did not finish within the [DrainTimeout]: retries were given up, or
	// the rest was stopped hard. The error is a [*GivenUpError].
	ErrDrainTimeout = core.ErrDrainTimeout
	// ErrFromWithin: [Control.Drain] was called by a function that the run itself waits for.
	ErrFromWithin = errors.New("vicuna: Drain was called by a function of the run, which would wait for itself: the drain has begun and goes on; its end is to be waited for elsewhere")
	// ErrGoexit: a user function has ended a goroutine of the run with [runtime.Goexit].
	ErrGoexit = core.ErrGoexit
	// ErrNoGraph: a zero Graph was run.
	ErrNoGraph = blueprint.ErrNoGraph
	// ErrFlowInput: a flow in front of a sink does not use its input once and at once; see
	// [Flow.To].
	ErrFlowInput = errors.New("vicuna: a flow in front of a sink has to use its input once, and not as a later part of a Concat")
	// ErrEmpty: [First] found no element.
	ErrEmpty = errors.New("vicuna: the stream has completed without an element")
	// ErrTaken: a live sub-source was run a second time, or outside its parent.
	ErrTaken = blueprint.ErrTaken
)

// StageError is an error of a stage with its place. Its fields are Stage, the stage's name; Topic,
// Partition and Offset of the record in hand, where Located is true; and Err, what went wrong.
type StageError = core.StageError

// GivenUpError says that a run has ended before all that had begun was finished, and counts what
// was given up. It matches its cause: [ErrDrainTimeout] or [ErrStopped]. Its fields are Cause;
// Because, why the run was drained (the context's cause), or nil; and Records, a GivenUp for each
// stage and partition.
type GivenUpError = core.GivenUpError

// GivenUp counts the records of a partition that were given up in a stage. Its fields are Stage, ""
// where that is not known; Topic and Partition, "" and -1 for elements that are no records;
// Records, how many there were; and Offset, the lowest of theirs.
type GivenUp = core.GivenUp

// PanicError is a panic of a user function. Its fields are Value, what was given to panic, and
// Stack, the stack of its goroutine. The error's text has the file and the line.
type PanicError = core.PanicError

// StuckError says that user code had not returned when the run ended, and goes on in the
// background. Its fields are Stages, the stages that had not returned, and After, how long they
// were waited for.
type StuckError = core.StuckError
