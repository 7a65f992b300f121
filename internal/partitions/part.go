package partitions

import (
	"time"

	"github.com/vicuna-go/vicuna/internal/memory"
	"github.com/vicuna-go/vicuna/internal/topics"
)

// Flow is what stands behind a partition: what was fetched of it and is not finished. It answers
// for the moment when it is asked.
type Flow interface {
	// Lane is where the partition's records go; of the others it is only asked while it has one.
	Lane() Lane
	// Full reports whether the tracker takes no more until something is finished.
	Full() bool
	// Starved reports whether something travels while nothing waits to be taken.
	Starved() bool
	// Queued is how many records wait to be taken.
	Queued() int
	// Staged is how many were fetched and may not be delivered yet.
	Staged() int
	// Load is what it holds, and Pinned what its few records may keep alive beside that, which
	// takes a look at each delivery.
	Load() memory.Load
	Pinned() int64
	// Age is that of the first record that is not done; false where there is none.
	Age() (time.Duration, bool)
	// Rewinding reports whether it waits to be read again from a record that was given up.
	Rewinding() bool
	// Settled reports whether nothing waits, nothing travels, and nothing has to be delivered
	// again.
	Settled() bool
}

// Lane is the way from the poller to an island: that of all partitions, or of one whose sub-stream
// runs. Lanes are compared with ==.
type Lane interface {
	// Rewinds reports whether something of it has to be delivered again, or waits for that.
	Rewinds() bool
}

// Part is a partition that is assigned. Its fields are under the lock of whoever has the [Table].
type Part[F Flow] struct {
	topics.Partition
	Flow F
	// Next is the offset to be fetched next, -1 where it is not known.
	Next int64
	// Missed: records were fetched, from Next on, that nobody took: the client has to go back.
	Missed bool

	state    State
	reasons  Reason
	located  bool // where it begins is known
	attached bool // its records are taken
	given    bool // a sub-stream of it was given out and has not ended
	barren   int  // sub-streams that have ended one after the other without finishing anything
}

// State is where the partition stands.
func (p *Part[F]) State() State { return p.state }

// Reasons are why it is not fetched; they hold in other states than Paused, too.
func (p *Part[F]) Reasons() Reason { return p.reasons }

// PausedByUser reports whether Pause was called for it, and Resume was not.
func (p *Part[F]) PausedByUser() bool { return p.reasons&User != 0 }

// PausedForRoom reports whether it is not fetched because it has too much in flight.
func (p *Part[F]) PausedForRoom() bool { return p.reasons&held != 0 }

// Located reports whether it is known where the partition begins.
func (p *Part[F]) Located() bool { return p.located }

// Attached reports whether somebody takes its records.
func (p *Part[F]) Attached() bool { return p.attached }

// Going reports whether the partition is being taken away, or was.
func (p *Part[F]) Going() bool { return p.state >= Revoking }

// Unrun reports whether its sub-stream was given out and does not run: Each has as many children as
// it may.
func (p *Part[F]) Unrun() bool { return p.given && !p.attached && !p.Going() }

// rewinding reports whether what is fetched of it is not wanted.
func (p *Part[F]) rewinding() bool { return p.attached && p.Flow.Rewinding() }

// miss notes that records were fetched which nobody took.
func (p *Part[F]) miss(first int64) {
	if p.Next < 0 {
		p.Next = first
	}
	p.Missed = true
}

// change makes the state that of what is known of the partition.
func (p *Part[F]) change() {
	switch {
	case p.Going():
	case !p.located:
		p.state = Joining
	case !p.attached:
		p.state = Waiting
	case p.reasons != 0:
		p.state = Paused
	default:
		p.state = Flowing
	}
}
