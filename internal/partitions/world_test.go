package partitions_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/vicuna-go/vicuna/internal/memory"
	"github.com/vicuna-go/vicuna/internal/partitions"
	"github.com/vicuna-go/vicuna/internal/topics"
)

// fakeFlow answers what it was told to.
type fakeFlow struct {
	full, starved, rewinding, unfinished bool
	queued, staged                       int
	load                                 memory.Load
	pinned                               int64
	age                                  time.Duration
}

func (f *fakeFlow) Full() bool                 { return f.full }
func (f *fakeFlow) Starved() bool              { return f.starved }
func (f *fakeFlow) Queued() int                { return f.queued }
func (f *fakeFlow) Staged() int                { return f.staged }
func (f *fakeFlow) Load() memory.Load          { return f.load }
func (f *fakeFlow) Pinned() int64              { return f.pinned }
func (f *fakeFlow) Age() (time.Duration, bool) { return f.age, f.age > 0 }
func (f *fakeFlow) Rewinding() bool            { return f.rewinding }
func (f *fakeFlow) Finished() bool             { return !f.unfinished }

type fakeLane struct {
	name    string
	rewinds bool
}

func (l *fakeLane) Rewinds() bool { return l.rewinds }

type part = partitions.Part[*fakeFlow]

// world is a table, what a script has named, and the client's side of it: which partitions it
// fetches.
type world struct {
	*partitions.Table[*fakeFlow]
	budget  *memory.Budget
	lanes   map[string]*fakeLane
	every   map[string]*part // also those that are gone
	hurries map[partitions.Hurry]bool
	fetched map[string]bool // by the client, of those that it has
	shut    map[string]bool // by a gate
}

func newWorld(total memory.Load) *world {
	w := &world{lanes: map[string]*fakeLane{}, every: map[string]*part{}, hurries: map[partitions.Hurry]bool{}, fetched: map[string]bool{}, shut: map[string]bool{}}
	w.budget = memory.NewBudget(total, func() {})
	w.Table = partitions.New[*fakeFlow](partitions.Options{
		Share:    func(n int, strained bool) memory.Load { return w.budget.Share(n, strained) },
		Patience: 250 * time.Millisecond,
	})
	return w
}

// name of a partition: p3 is number 3 of topic p.
func named(name string) topics.Partition {
	tp := topics.Partition{Topic: "p"}
	if _, err := fmt.Sscanf(name, "p%d", &tp.Partition); err != nil {
		panic("not a partition: " + name)
	}
	return tp
}

func nameOf(tp topics.Partition) string { return fmt.Sprintf("%s%d", tp.Topic, tp.Partition) }

func (w *world) lane(name string) *fakeLane {
	if w.lanes[name] == nil {
		w.lanes[name] = &fakeLane{name: name}
	}
	return w.lanes[name]
}

func (w *world) part(name string) *part {
	if p := w.Get(named(name)); p != nil {
		return p
	}
	return w.every[name]
}

func (w *world) join(name string) *part {
	p := w.Join(named(name), &fakeFlow{})
	w.every[name] = p
	return p
}

func (w *world) attach(p *part, lane string) bool {
	if !w.Attach(p, w.lane(lane)) {
		return false
	}
	w.shut[nameOf(p.Partition)] = false // the assignment is a fresh one
	return true
}

// carryOut takes the commands, does to the client what they say, and describes them.
func (w *world) carryOut() string {
	c := w.Take()
	var b strings.Builder
	list := func(what string, ps []topics.Partition, fetch bool) {
		var names []string
		for _, tp := range ps {
			w.fetched[nameOf(tp)] = fetch
			names = append(names, nameOf(tp))
		}
		slices.Sort(names)
		if len(names) > 8 {
			names = append(names[:8], fmt.Sprintf("and %d more", len(names)-8))
		}
		if len(names) > 0 {
			fmt.Fprintf(&b, "%s %s\n", what, strings.Join(names, " "))
		}
	}
	var lines []string
	for _, g := range c.Gate {
		w.shut[nameOf(g.Part.Partition)] = g.Shut
		lines = append(lines, fmt.Sprintf("gate %s shut=%v", nameOf(g.Part.Partition), g.Shut))
	}
	list("pause", c.Pause, false)
	list("resume", c.Resume, true)
	for _, s := range c.Seek {
		lines = append(lines, fmt.Sprintf("seek %s to %d", nameOf(s.Partition), s.Offset))
	}
	for _, s := range c.Start {
		lines = append(lines, fmt.Sprintf("start %s after %v", nameOf(s.Part.Partition), s.After))
	}
	for _, h := range c.Hurry {
		key, verb := partitions.Hurry{Lane: h.Lane, Why: h.Why}, "hurry"
		if !h.On {
			verb = "rest"
		}
		if w.hurries[key] != h.On { // else it is told again what it knows
			lines = append(lines, fmt.Sprintf("%s %s: %v", verb, h.Lane.(*fakeLane).name, h.Why))
		}
		w.hurries[key] = h.On
	}
	for _, l := range c.Complete {
		lines = append(lines, "complete "+l.(*fakeLane).name)
	}
	slices.Sort(lines)
	for _, l := range lines {
		b.WriteString(l + "\n")
	}
	if c.CompleteAll {
		b.WriteString("complete all\n")
	}
	return b.String()
}

// states describes where partitions stand.
func (w *world) states() string {
	var names []string
	for name := range w.every {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return topics.Compare(named(a), named(b)) })
	if len(names) > 12 {
		return w.census()
	}
	var b strings.Builder
	for _, name := range names {
		p := w.every[name]
		fmt.Fprintf(&b, "%s %s", name, p.State())
		if r := p.Reasons(); r != 0 {
			fmt.Fprintf(&b, "(%v)", r)
		}
		if p.Next() >= 0 {
			fmt.Fprintf(&b, " next=%d", p.Next())
		}
		if p.Missed() {
			b.WriteString(" missed")
		}
		b.WriteString("\n")
	}
	return b.String()
}

// lanesTaken says which way the records of partitions go that somebody takes.
func (w *world) lanesTaken() string {
	var lines []string
	for name, p := range w.every {
		if p.Attached() {
			lines = append(lines, fmt.Sprintf("%s %s\n", name, p.Lane().(*fakeLane).name))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// census counts partitions by where they stand.
func (w *world) census() string {
	n := map[string]int{}
	for _, p := range w.every {
		key := p.State().String()
		if r := p.Reasons(); r != 0 {
			key += "(" + r.String() + ")"
		}
		n[key]++
	}
	var lines []string
	for key, n := range n {
		lines = append(lines, fmt.Sprintf("%d %s\n", n, key))
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}
