package partitions_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/internal/memory"
	"github.com/vicuna-go/vicuna/internal/partitions"
	"github.com/vicuna-go/vicuna/internal/topics"
)

// A random walk over everything that can happen finds no state and no transition that the table
// does not name, meets each that it names, and after each step the client fetches exactly the
// partitions that are taken and are paused by nobody; and no lane hurries for a partition that has
// no room where it has none such.
func TestRandomWalk(t *testing.T) {
	seen := map[[2]partitions.State]bool{}
	for seed := range uint64(400) {
		walk(t, seed, seen)
	}
	for from, all := range partitions.Transitions() {
		for _, to := range all {
			require.True(t, seen[[2]partitions.State{from, to}], "%v to %v was never met", from, to)
		}
	}
}

// requireNobodyStarvesForNothing says that each lane that hurries for a partition without room has
// one.
func (w *world) requireNobodyStarvesForNothing(t *testing.T, after string) {
	t.Helper()
	for h, on := range w.hurries {
		if on && h.Why == partitions.Starved {
			require.True(t, slices.ContainsFunc(slices.Collect(maps.Values(w.All())), func(p *part) bool {
				return p.Lane() == h.Lane && p.PausedForRoom() && p.Flow.starved
			}), after)
		}
	}
}

func walk(t *testing.T, seed uint64, seen map[[2]partitions.State]bool) {
	r := rand.New(rand.NewPCG(seed, 1))
	w := newWorld(memory.Load{Bytes: 8 << 20, Records: 1000})
	single := r.IntN(2) == 0
	was := map[*part]partitions.State{}
	legal := partitions.Transitions()
	var gone []map[topics.Partition]*part
	var log []string
	for range 300 {
		name := fmt.Sprintf("p%d", r.IntN(5))
		tp := named(name)
		op := r.IntN(26)
		log = append(log, fmt.Sprintf("%d %s", op, name))
		p, released := w.Get(tp), false
		switch {
		case p == nil:
			if w.Ending() {
				return
			}
			p = w.join(name)
			if single {
				w.attach(p, "single")
			}
		case op == 0:
			w.Locate(p, int64(r.IntN(20)))
		case op == 1 && !p.Attached():
			w.attach(p, name)
		case op == 2 && p.Attached() && !single:
			w.Detach(p, partitions.Ended{Progress: r.IntN(2) == 0, Undone: int64(r.IntN(3)) - 1, Over: r.IntN(9) == 0})
		case op == 3:
			w.Give(tp)
		case op == 4:
			w.Closed(p)
		case op <= 6 && p.Attached():
			p.Flow.full, p.Flow.starved, p.Flow.rewinding = r.IntN(4) == 0, r.IntN(4) == 0, r.IntN(8) == 0
			p.Flow.load = memory.Load{Bytes: int64(r.IntN(4 << 20)), Records: int64(r.IntN(400))}
			p.Flow.age = time.Duration(r.IntN(500)) * time.Millisecond
			p.Flow.unfinished, p.Flow.queued = r.IntN(2) == 0, r.IntN(3)
		case op <= 9 && p.Attached():
			w.Delivered(p)
		case op == 10:
			w.Strain()
		case op == 11:
			w.Relax()
		case op <= 14:
			w.Release()
			released = true
		case op <= 17:
			if _, bad := w.NotAssigned([]topics.Partition{tp}); !bad {
				w.Pause([]topics.Partition{tp}, op != 15)
			}
		case op == 18:
			if _, wanted := w.Fetched(tp, int64(r.IntN(50))); wanted && r.IntN(3) == 0 {
				w.Refused(p, 7)
			}
		case op == 19:
			w.Seek()
		case op == 20:
			w.Bound(partitions.Bounds{Known: true, Ends: map[topics.Partition]int64{tp: int64(r.IntN(20))}})
			w.Finish()
		case op == 21 && len(gone) < 4:
			gone = append(gone, w.Revoke([]topics.Partition{tp, named("p0")}))
		case op == 22 && len(gone) > 0:
			w.Forget(gone[0])
			gone = gone[1:]
		case op == 23 && r.IntN(20) == 0:
			gone = append(gone, w.End())
		case op == 24:
			w.Idle(r.IntN(2) == 0)
		case op == 25:
			w.GoBack(p, int64(r.IntN(10)))
		}
		w.carryOut()
		if released {
			w.requireNobodyStarvesForNothing(t, fmt.Sprintf("seed %d: after %v", seed, log))
		}
		for _, p := range w.every {
			from, known := was[p]
			to := p.State()
			if known && from != to {
				require.True(t, slices.Contains(legal[from], to), "seed %d: %v to %v after %v", seed, from, to, log)
				seen[[2]partitions.State{from, to}] = true
			}
			was[p] = to
			if p.Going() || w.Get(p.Partition) != p {
				continue
			}
			require.Equal(t, p.Attached() && p.Reasons() == 0, w.fetched[nameOf(p.Partition)], "seed %d: %v %v %v after %v", seed, p, p.State(), p.Reasons(), log)
			require.Equal(t, p.State() == partitions.Flowing, p.Located() && p.Attached() && p.Reasons() == 0, "seed %d", seed)
			if p.Attached() {
				require.Equal(t, p.PausedByUser(), w.shut[nameOf(p.Partition)], "seed %d: the gate of %v after %v", seed, p, log)
			}
		}
	}
}
