package verify

import (
	"errors"
	"fmt"
	"strings"
)

// What a run can do wrong, and ErrCorrupt. The errors of a report wrap them.
var (
	ErrNothing   = errors.New("nothing was verified")
	ErrLoss      = errors.New("V1: outputs are lost")
	ErrDuplicate = errors.New("V2: outputs are doubled")
	ErrOrder     = errors.New("V3: outputs of a key are out of order")
	ErrEarly     = errors.New("V6: an offset was committed before the outputs of what it covers")
	ErrBack      = errors.New("V6: a committed offset went back")
	ErrBehind    = errors.New("V6: at the end, committed offsets are not the end of the input")
	ErrDiverge   = errors.New("V7: two readers disagree")
	ErrForeign   = errors.New("outputs are of no input")
)

// Report is the judgement of a run.
type Report struct {
	Seed     uint64             // of the input
	Inputs   int                // records of the input
	Expected int                // outputs that they ask for
	Outputs  int                // records that were read from the output topics, of whatever kind
	Rounds   int                // observations of committed offsets beside the outputs
	Attempts map[string]Attempt // by name
	Aborted  int                // outputs that only a reader of uncommitted records sees

	Lost       Finding // outputs of inputs
	Duplicates Finding
	Inversions Finding
	Early      Finding // observations of an offset
	Back       Finding // observations of an offset
	Behind     Finding // partitions
	Divergence Finding // offsets
	Corrupt    Finding
	Foreign    Finding

	finished bool
}

// AtLeastOnce says what of at-least-once was violated, all of it; nil when nothing was and there
// was something to judge. Duplicates are no violation of it.
func (r Report) AtLeastOnce() error {
	return errors.Join(
		r.nothing(),
		violation(ErrLoss, r.Lost),
		violation(ErrOrder, r.Inversions),
		violation(ErrEarly, r.Early),
		violation(ErrBack, r.Back),
		violation(ErrBehind, r.Behind),
		violation(ErrDiverge, r.Divergence),
		violation(ErrCorrupt, r.Corrupt),
		violation(ErrForeign, r.Foreign),
	)
}

// NoDuplicates says whether outputs are there more than once, which clean stops must not cause.
func (r Report) NoDuplicates() error { return violation(ErrDuplicate, r.Duplicates) }

func (r Report) nothing() error {
	switch {
	case !r.finished:
		return fmt.Errorf("%w: the run was not judged at its end", ErrNothing)
	case r.Inputs == 0:
		return fmt.Errorf("%w: there was no input", ErrNothing)
	case r.Rounds == 0:
		return fmt.Errorf("%w: committed offsets were never seen", ErrNothing)
	}
	return nil
}

func violation(err error, f Finding) error {
	if f.Count == 0 {
		return nil
	}
	return fmt.Errorf("%w: %v", err, f)
}

// String gives all figures, on several lines.
func (r Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d: %d inputs ask for %d outputs; %d outputs of %d attempts, %d aborted; offsets seen %d times\n",
		r.Seed, r.Inputs, r.Expected, r.Outputs, len(r.Attempts), r.Aborted, r.Rounds)
	for _, l := range []struct {
		name string
		f    Finding
	}{
		{"lost", r.Lost},
		{"duplicates", r.Duplicates},
		{"out of order", r.Inversions},
		{"committed early", r.Early},
		{"gone back", r.Back},
		{"behind at the end", r.Behind},
		{"readers disagree", r.Divergence},
		{"corrupt", r.Corrupt},
		{"foreign", r.Foreign},
	} {
		fmt.Fprintf(&b, "  %-18s %v\n", l.name, l.f)
	}
	return b.String()
}
