package reader

import (
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/internal/commit"
	"github.com/vicuna-go/vicuna/internal/feed"
	"github.com/vicuna-go/vicuna/internal/memory"
	"github.com/vicuna-go/vicuna/internal/partitions"
	"github.com/vicuna-go/vicuna/internal/topics"
	"github.com/vicuna-go/vicuna/internal/tracker"
)

type (
	part = partitions.Part[*flow]
	// parts are some of them, by their names.
	parts = map[topics.Partition]*part
)

// assignment is one assignment of a partition in the feed of a lane.
type assignment = feed.Assignment[*kgo.Record]

// flow is what a run has of a partition beside its state. Its fields are under the session's lock.
type flow struct {
	owner      *commit.Owner
	assignment *assignment // in the feed of its lane; nil where it has none

	began   int64 // the offset of the first record that was fetched, -1 before
	ofGroup int64 // what the group had committed when it was assigned, -1 where that was nothing
	dropped bool  // the client did not know where to begin, and was told by us
	told    bool  // that it is about to go
	// endedElsewhere: its last assignment was ended by a revoke or a loss, which knows where it
	// goes on.
	endedElsewhere bool

	givenOut    time.Time // when its sub-stream was
	toldWaiting bool      // that this waits to be run

	// mark is what was committable when its last lane ended; before the first, where it begins, if
	// that was looked up. It is there where marked says so.
	mark   tracker.Mark
	marked bool

	staged      []staged // at most once: fetched, and not committed ahead yet
	stagedBytes int64
	// rewound is for at most once: it is read again from Next on, and nothing of that was
	// delivered.
	rewound bool
	texts   texts
}

var _ partitions.Flow = (*flow)(nil)

// Full implements partitions.Flow.
func (f *flow) Full() bool { return f.assignment.Full() }

// Starved implements partitions.Flow.
func (f *flow) Starved() bool { return f.assignment.Starved() }

// Queued implements partitions.Flow.
func (f *flow) Queued() int { return f.assignment.Queued() }

// Staged implements partitions.Flow.
func (f *flow) Staged() int { return len(f.staged) }

// Load implements partitions.Flow.
func (f *flow) Load() memory.Load {
	load := f.assignment.Charges().Charged()
	for _, st := range f.staged {
		load.Records += int64(len(st.records))
	}
	load.Bytes += f.stagedBytes
	return load
}

// Pinned implements partitions.Flow.
func (f *flow) Pinned() int64 {
	pinned := f.assignment.Charges().Pinned()
	for _, st := range f.staged {
		pinned += st.lease.Bytes()
	}
	return pinned
}

// Age implements partitions.Flow.
func (f *flow) Age() (time.Duration, bool) {
	_, age, ok := f.assignment.Oldest()
	return age, ok
}

// Rewinding implements partitions.Flow.
func (f *flow) Rewinding() bool { return f.assignment.Rewinding() }

// Finished implements partitions.Flow. What was given up is asked of the assignment itself, which
// knows it in the same step as that it travels no more; an assignment that is not live is being
// replaced.
func (f *flow) Finished() bool {
	a := f.assignment
	return a.Live() && a.Queued() == 0 && a.Travelling() == 0 && !a.Abandoned()
}
