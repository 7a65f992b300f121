package producer

import (
	"errors"
	"fmt"

	"github.com/vicuna-go/vicuna/internal/kclient"
)

// OutcomeError says what the end of a stream, or of a client, left behind: it is joined with the
// fault that ended it.
type OutcomeError struct {
	// Undelivered is the number of records that were acknowledged without the stream having been
	// told: their results were not emitted.
	Undelivered int64
	// Failed is the number of records that failed after the first one.
	Failed int64
	// Unknown is the number of records that had no outcome when the close time-out ended. They may
	// have been written.
	Unknown int64
	// Unsent is how many of those are known not to have been sent, and so not written: the client
	// never sent a record.
	Unsent int64
	// Err is what ended the waiting, and what kept the records from being written where that is
	// known; nil where nothing was waited for in vain.
	Err error
}

func (e *OutcomeError) Error() string {
	s := fmt.Sprintf("vicuna: records in flight at the end: %d acknowledged and not passed on, %d failed, %d with unknown outcome",
		e.Undelivered, e.Failed, e.Unknown-e.Unsent)
	if e.Unsent > 0 {
		s += fmt.Sprintf(", %d not sent", e.Unsent)
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *OutcomeError) Unwrap() error { return e.Err }

// unknown is the error of n records whose outcomes were waited for until err.
func (c *Client) unknown(n int64, err error) *OutcomeError {
	o := &OutcomeError{Unknown: n, Err: err}
	if n == 0 {
		return o
	}
	if c.requests != nil && c.requests.Load() == 0 {
		o.Unsent = n
	}
	if obstacle := kclient.Obstacle(c.kgo, ""); obstacle != nil {
		o.Err = errors.Join(obstacle, err)
	}
	return o
}

// RecordError is the failure of a record, with where it was to go.
type RecordError struct {
	// Topic is the record's, and Partition the one that it names; -1 where it leaves that to the
	// partitioner.
	Topic     string
	Partition int32
	// Err is why; errors.Is and errors.As find franz-go's and Kafka's own errors in it.
	Err error
}

func (e *RecordError) Error() string {
	if e.Partition < 0 {
		return fmt.Sprintf("vicuna: record for topic %q: %v", e.Topic, e.Err)
	}
	return fmt.Sprintf("vicuna: record for %s[%d]: %v", e.Topic, e.Partition, e.Err)
}

func (e *RecordError) Unwrap() error { return e.Err }
