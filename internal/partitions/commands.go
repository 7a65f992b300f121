package partitions

import (
	"time"

	"github.com/vicuna-go/vicuna/internal/topics"
)

// Commands are what was decided, to be carried out.
type Commands[F Flow] struct {
	// Pause and Resume are for the client, in the same hold of the lock as the decision: whoever
	// comes second has the last word with the client, too.
	Pause, Resume []topics.Partition
	// Gate lets the records of partitions begin, or keeps them from it; under the lock as well.
	Gate []Gate[F]
	// Seek is where the client goes back to; the poller does.
	Seek []Seek
	// Start is whose sub-stream is to be given out, and after how long.
	Start []Start[F]
	// Hurry says that the stream should not wait for more, or that it may again.
	Hurry []Hurry
	// Complete is which lanes get nothing more, and CompleteAll that no further sub-stream comes.
	Complete    []Lane
	CompleteAll bool
}

// Gate keeps the records of a partition from beginning, or lets them.
type Gate[F Flow] struct {
	Part *Part[F]
	Shut bool
}

// Seek goes back to an offset.
type Seek struct {
	topics.Partition
	Offset int64
}

// Start gives out a sub-stream.
type Start[F Flow] struct {
	Part  *Part[F]
	After time.Duration
}

// Hurry asks a lane's stream not to wait for more, for a reason, or takes the reason back.
type Hurry struct {
	Lane Lane
	Why  Urgency
	On   bool
}

// Urgency is why a stream should hurry: nothing more comes until something is finished, and holders
// would wait for more.
type Urgency uint8

const (
	// Starved: a partition may have no more in flight.
	Starved Urgency = 1 << iota
	// Spent: nothing is fetched, because the budget is used up.
	Spent
	// AtEnd: everything was read.
	AtEnd
	// Over: the source has completed. The table does not decide it.
	Over
)

// String returns the reason's name.
func (u Urgency) String() string {
	switch u {
	case Starved:
		return "starved"
	case Spent:
		return "spent"
	case AtEnd:
		return "at end"
	default:
		return "over"
	}
}

// hurry decides which lanes hurry for a reason: those that were told so before, and are not among
// them, are told that they may rest, also where they have no partition any more. Those that go on
// hurrying are told again, as each time finished tokens are looked for that were not reported.
func (t *Table[F]) hurry(why Urgency, lanes map[Lane]bool) {
	for l, reasons := range t.hurrying {
		if reasons&why == 0 || lanes[l] {
			continue
		}
		if t.hurrying[l] &^= why; t.hurrying[l] == 0 {
			delete(t.hurrying, l)
		}
		t.out.Hurry = append(t.out.Hurry, Hurry{l, why, false})
	}
	for l := range lanes {
		t.hurrying[l] |= why
		t.out.Hurry = append(t.out.Hurry, Hurry{l, why, true})
	}
}

// fetch decides whether the client fetches a partition; the last decision counts.
func (t *Table[F]) fetch(p topics.Partition, on bool) {
	if _, twice := t.fetches[p]; !twice {
		t.order = append(t.order, p)
	}
	t.fetches[p] = on
}

// Take returns what was decided since it was called last.
func (t *Table[F]) Take() Commands[F] {
	out := t.out
	t.out = Commands[F]{}
	for _, p := range t.order {
		if t.fetches[p] {
			out.Resume = append(out.Resume, p)
		} else {
			out.Pause = append(out.Pause, p)
		}
	}
	t.order = t.order[:0]
	clear(t.fetches)
	return out
}
