package commit

import (
	"context"
	"errors"
	"fmt"

	"github.com/vicuna-go/vicuna/internal/fault"
	"github.com/vicuna-go/vicuna/internal/topics"
)

// lateError is why a commit that was not refused for good was not made.
type lateError struct {
	// the setting that was too short for it, and its value; "" where the waiting was ended
	limit string
	ended error // of the context that has bounded it
	// what stood in the way last; nil, or an end of ours, where the brokers have said nothing
	why error
}

func (e *lateError) Error() string {
	text := "it was not made within " + e.limit
	if e.limit == "" {
		text = fmt.Sprintf("it was not made before the waiting for it ended (%v)", e.ended)
	}
	if e.why == nil || givenUp(e.why) {
		return text + ": the brokers have not answered"
	}
	return text + ": " + e.why.Error()
}

// Unwrap returns how the time ended, and what stood in the way.
func (e *lateError) Unwrap() []error {
	if e.why == nil {
		return []error{e.ended}
	}
	return []error{e.ended, e.why}
}

// late is the error of who has waited for too long: for the turn, or for a commit that succeeds.
func (d *Door) late(ctx context.Context, limit string, open []topics.Partition) error {
	onTheWay, why := d.standing()
	if len(open) == 0 {
		open = onTheWay
	}
	return &fault.CommitError{
		Group: d.o.Group, Partitions: open, Retriable: true, Err: &lateError{limit: limit, ended: ended(ctx), why: why},
	}
}

// givenUp reports whether a commit has no answer because nobody waits for one any more.
func givenUp(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// ended is why a context has no time left; where it has not ended yet, there is none for another
// try.
func ended(ctx context.Context) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	return context.DeadlineExceeded
}

// timeout names the time that a commit has at a revoke, and Flush.
func (d *Door) timeout() string { return fmt.Sprintf("settings.CommitTimeout (%v)", d.o.Timeout) }

// partitionsOf are those of offsets, in order.
func partitionsOf(offsets []Offset) []topics.Partition {
	ps := make([]topics.Partition, 0, len(offsets))
	for _, o := range offsets {
		ps = append(ps, o.Partition)
	}
	topics.Sort(ps)
	return ps
}
