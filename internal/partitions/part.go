package partitions

import (
	"time"

	"github.com/vicuna-go/vicuna/internal/memory"
	"github.com/vicuna-go/vicuna/internal/topics"
)

// Flow is what stands behind a partition: what was fetched of it and is not finished. It answers
// for the moment when it is asked, and is asked only while the partition has a [Lane].
type Flow interface {
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
	// Finished reports whether nothing waits, nothing travels, and nothing has to be delivered
	// again.
	Finished() bool
}

// Lane is the way from the poller to an island: that of all partitions, or of one whose sub-stream
// runs. Lanes are compared with ==.
type Lane interface {
	// Rewinds reports whether something of it has to be delivered again, or waits for that.
	Rewinds() bool
}

// Part is a partition that is assigned. Its fields are under the lock of whoever has the [Table],
// which alone changes those that are not exported.
type Part[F Flow] struct {
	topics.Partition
	Flow F

	state   State
	reasons Reason
	lane    Lane  // where its records go; nil: nobody takes them
	next    int64 // the offset to be fetched next, -1 where it is not known
	missed  bool  // records were fetched, from next on, that nobody took: the client has to go back
	located bool  // where it begins is known
	given   bool  // a sub-stream of it was given out and has not ended
	barren  int   // sub-streams that have ended one after the other without finishing anything
}

// State is where the partition stands.
func (p *Part[F]) State() State { return p.state }

// Reasons are why it is not fetched; they hold in other states than Paused, too.
func (p *Part[F]) Reasons() Reason { return p.reasons }

// PausedByUser reports whether Pause was called for it, and Resume was not.
func (p *Part[F]) PausedByUser() bool { return p.reasons&User != 0 }

// PausedForRoom reports whether it is not fetched because it has too much in flight.
func (p *Part[F]) PausedForRoom() bool { return p.reasons&throttled != 0 }

// Next is the offset to be fetched next, -1 where it is not known.
func (p *Part[F]) Next() int64 { return p.next }

// Missed reports whether records were fetched, from Next on, that nobody took: the client has to go
// back.
func (p *Part[F]) Missed() bool { return p.missed }

// Located reports whether it is known where the partition begins.
func (p *Part[F]) Located() bool { return p.located }

// Lane is where its records go, nil where nobody takes them. A partition that is being taken away
// keeps it.
func (p *Part[F]) Lane() Lane { return p.lane }

// Attached reports whether somebody takes its records.
func (p *Part[F]) Attached() bool { return p.lane != nil }

// Going reports whether the partition is being taken away, or was.
func (p *Part[F]) Going() bool { return p.state >= Revoking }

// Unrun reports whether its sub-stream was given out and does not run: Each has as many children as
// it may.
func (p *Part[F]) Unrun() bool { return p.given && !p.Attached() && !p.Going() }

// rewinding reports whether what is fetched of it is not wanted.
func (p *Part[F]) rewinding() bool { return p.Attached() && p.Flow.Rewinding() }

// miss notes that records were fetched which nobody took.
func (p *Part[F]) miss(first int64) {
	if p.next < 0 {
		p.next = first
	}
	p.missed = true
}

// change makes the state that of what is known of the partition.
func (p *Part[F]) change() {
	switch {
	case p.Going():
	case !p.located:
		p.state = Joining
	case !p.Attached():
		p.state = Waiting
	case p.reasons != 0:
		p.state = Paused
	default:
		p.state = Flowing
	}
}
