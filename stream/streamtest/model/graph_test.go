package model

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

type stageKind int

const (
	kMap stageKind = iota
	kFilter
	kFlatMap
	kBatch
	kTake
	kDivert
	kFinish // a finishing flow, as Committer.Flow: ends tokens at its input
	// What an island ends with.
	kBoundary
	kBroadcast
	kKafka   // a sink that acknowledges late and in any order
	kForEach // a sink that finishes when its function returned
	kHand    // a sink that hands over to the user
)

func (k stageKind) String() string {
	return [...]string{"map", "filter", "flatmap", "batch", "take", "divert", "finish", "|", "broadcast", "kafka", "foreach", "hand"}[k]
}

type policy int

const (
	pStop policy = iota
	pSkip
	pRetry // only the first stage of an island: it blocks there
)

type stage struct {
	kind   stageKind
	policy policy
	n      int   // batch: count; take: limit; hand: the user breaks off after so many, 0 never
	timed  bool  // batch: also by time
	early  bool  // map: the user calls Commit here, long before any hand-over
	graph  bool  // hand: another graph takes the elements, and no user
	salt   int   // makes its decisions differ from other stages'
	to     []int // islands that it pushes to
	effect bool  // map: a user function with effects, which claims
	repeat bool  // map: … whose calls may be made again: it does not claim
	order  bool  // what arrives is in order per key
}

// island is a chain of fused stages; the last one says where the elements go.
type islandSpec struct {
	stages  []stage
	workers workers // a worker stage of so many calls stands before the stages
	calls   int
	retries bool
	// the worker stage stands after another stage with effects, after a Batch, or in a branch
	late      bool
	order     bool // what arrives is in order per key
	capacity  int  // of its input queue
	producers int  // of its input queue
	branch    int  // index into branches, -1: under no broadcast
}

// expands tells whether a frame that begins at a stage may have several outputs. Only what stands
// before the next holder or finishing flow counts: behind a holder it is the emission's frame that
// expands, behind a finishing flow nothing is tracked. A split that is opened without need is not
// only dear: the frame's hold keeps an input that a finishing flow has ended undone until a push
// further down returns. From -1: the whole island, as if it had one kind of frame.
func (s *islandSpec) expands(from int) bool {
	for _, st := range s.stages[max(from, 0):] {
		switch st.kind {
		case kFlatMap:
			return true
		case kBatch, kFinish:
			if from >= 0 {
				return false
			}
		}
	}
	return false
}

// branchSpec is one way out of a broadcast.
type branchSpec struct {
	broadcast int // the island that ends in it
	parent    int // the branch that the broadcast itself stands in, -1: none
}

type graph struct {
	islands  []islandSpec
	branches []branchSpec
}

// way is what is known about the elements that come to an island.
type way struct {
	ordered bool // per key
	batched bool // there was a Batch
	begun   bool // there was a stage with effects
	aimed   bool // at how things end: batches and workers, and nothing that cancels
}

// randomGraph draws a small graph. A transactional session refuses Take, hand-over and finishing
// flows.
func randomGraph(r *rand.Rand, txn, aimed bool) *graph {
	g := new(graph)
	g.chain(r, txn, r.IntN(4), -1, way{ordered: true, aimed: aimed}, true)
	return g
}

// mergesGraph draws a graph in which merges wait for a stage with effects, and further ones follow.
func mergesGraph(r *rand.Rand) *graph {
	g := &graph{islands: make([]islandSpec, 1)}
	s := islandSpec{capacity: 1 + r.IntN(3), producers: 1, branch: -1, order: true}
	w := way{ordered: true, aimed: true, batched: true}
	if r.IntN(5) == 0 {
		s.drawWorkers(r, &w)
	}
	add := func(one int, st stage) {
		if r.IntN(one) == 0 {
			st.salt, st.order = r.IntN(1000), w.ordered
			s.stages = append(s.stages, st)
		}
	}
	add(4, stage{kind: kFlatMap})
	add(1, stage{kind: kBatch, n: 2 + r.IntN(2), timed: r.IntN(2) == 0})
	add(4, stage{kind: kFlatMap})
	add(4, stage{kind: kBatch, n: 2, timed: r.IntN(2) == 0})
	s.stages = append(s.stages, stage{kind: kBoundary, to: []int{g.chain(r, false, r.IntN(3), -1, w, true)}})
	g.islands[0] = s
	next := &g.islands[1]
	next.capacity = 2 + r.IntN(4)
	switch first := &next.stages[0]; r.IntN(3) {
	case 0: // results wait behind one that is tried again
		next.workers, next.calls, next.retries, next.late = inOrder, 2+r.IntN(3), true, true
		if first.policy == pRetry {
			first.policy = pStop
		}
	case 1: // elements do
		if next.workers == noWorkers && first.kind == kMap {
			first.policy, first.effect = pRetry, true
		}
	}
	return g
}

// epochsGraph draws a graph of a transactional session in which outputs of one record enter the
// transaction at several sinks, at different times and in batches.
func epochsGraph(r *rand.Rand) *graph {
	g := &graph{islands: make([]islandSpec, 1)}
	w := way{ordered: true}
	s := islandSpec{capacity: 1 + r.IntN(3), producers: 1, branch: -1, order: true}
	if r.IntN(3) == 0 {
		s.drawWorkers(r, &w)
	}
	if r.IntN(3) == 0 {
		s.stages = append(s.stages, stage{kind: kFlatMap, salt: r.IntN(1000), order: w.ordered})
	}
	if r.IntN(4) == 0 {
		s.stages = append(s.stages, stage{kind: kBatch, n: 2, timed: r.IntN(2) == 0, salt: r.IntN(1000), order: w.ordered})
		w.batched = true
	}
	last := stage{kind: kBroadcast, salt: r.IntN(1000), order: w.ordered}
	for range 2 + r.IntN(3)/2 {
		g.branches = append(g.branches, branchSpec{broadcast: 0, parent: -1})
		way, batches := w, r.IntN(2) == 0
		way.batched = way.batched || batches
		to := g.chain(r, true, r.IntN(2), len(g.branches)-1, way, true)
		last.to = append(last.to, to)
		if !batches {
			continue
		}
		st := stage{kind: kBatch, n: 2 + r.IntN(3), timed: r.IntN(2) == 0, salt: r.IntN(1000), order: g.islands[to].order}
		if r.IntN(3) == 0 {
			st.n = 1000
		}
		g.islands[to].stages = slices.Insert(g.islands[to].stages, 0, st)
	}
	s.stages = append(s.stages, last)
	g.islands[0] = s
	return g
}

// chain adds an island and all that follows it, and returns its index. more: the chain may divert,
// finish and broadcast.
func (g *graph) chain(r *rand.Rand, txn bool, depth, branch int, w way, more bool) int {
	id := len(g.islands)
	g.islands = append(g.islands, islandSpec{})
	s := islandSpec{capacity: 1 + r.IntN(3), producers: 1, branch: branch, order: w.ordered}
	if r.IntN(10) < 3 || w.aimed && id > 0 && r.IntN(3) == 0 {
		s.drawWorkers(r, &w)
	}
	if branch >= 0 && depth == 0 && more && !txn && !w.aimed && r.IntN(2) == 0 {
		// branches that complete one after the other
		s.stages = append(s.stages, stage{kind: kTake, n: 1 + r.IntN(3)})
	}
	if w.aimed && id == 0 && depth > 0 && r.IntN(2) == 0 { // merges that wait for a slow stage
		s.stages = append(s.stages, stage{kind: kBatch, n: 2 + r.IntN(2), salt: r.IntN(1000), order: w.ordered})
		w.batched = true
	}
	for i, n := len(s.stages), r.IntN(4); i < n; i++ {
		st := stage{salt: r.IntN(1000), order: w.ordered}
		k := r.IntN(16)
		if i > 0 && (s.stages[i-1].kind == kBatch && r.IntN(3) == 0 || s.stages[i-1].kind == kDivert) {
			k = 9 // holders behind holders, and beside another way out
		}
		if w.aimed && k > 11 {
			k = []int{0, 3, 9, 10}[k-12]
		}
		retries := i == 0 && id > 0 && r.IntN(3) == 0
		if retries {
			k = 0
		}
		switch {
		case k < 4:
			st.drawMap(r, txn, i == 0 && s.workers == noWorkers, retries)
		case k < 6:
			st.kind = kFilter
		case k < 9:
			st.kind = kFlatMap
		case k < 12:
			st.kind, st.n, st.timed = kBatch, 2+r.IntN(2), r.IntN(2) == 0
			if r.IntN(3) == 0 {
				st.n = 1000
			}
			w.batched = true
		case k == 12 && !txn:
			st.kind, st.n = kTake, 1+r.IntN(6)
		case k < 14 && more:
			st.kind = kDivert
			st.to = []int{g.chain(r, txn, 0, branch, w, false)}
		case k < 15 && !txn && more:
			st.kind = kFinish
		default:
			st.kind, st.policy = kMap, pSkip
		}
		w.begun = w.begun || st.effect
		s.stages = append(s.stages, st)
	}
	s.stages = append(s.stages, g.last(r, txn, depth, id, branch, w, more))
	g.islands[id] = s
	return id
}

func (s *islandSpec) drawWorkers(r *rand.Rand, w *way) {
	s.workers, s.calls, s.retries = workers(1+r.IntN(3)), 2+r.IntN(2), r.IntN(2) == 0
	if s.workers == byKey && w.batched {
		s.workers = inOrder
	}
	s.late = w.begun || w.batched || s.branch >= 0
	if s.workers == unordered {
		w.ordered = false
	}
	w.begun = true
}

func (st *stage) drawMap(r *rand.Rand, txn, first, retries bool) {
	st.kind, st.policy = kMap, policy(r.IntN(2))
	st.early = !txn && r.IntN(8) == 0
	st.effect = st.early || r.IntN(3) > 0
	if first && (retries || r.IntN(3) == 0) {
		st.policy, st.effect = pRetry, true
	}
	st.repeat = st.effect && !st.early && r.IntN(6) == 0
}

func (g *graph) last(r *rand.Rand, txn bool, depth, id, branch int, w way, more bool) stage {
	st := stage{salt: r.IntN(1000), order: w.ordered}
	k := r.IntN(10)
	switch {
	case depth > 0 && more && k < 4 && (!w.aimed || k == 0):
		st.kind = kBroadcast
		for range 2 + r.IntN(5)/4 {
			g.branches = append(g.branches, branchSpec{broadcast: id, parent: branch})
			st.to = append(st.to, g.chain(r, txn, depth-1, len(g.branches)-1, w, more))
		}
	case depth > 0:
		st.kind = kBoundary
		st.to = []int{g.chain(r, txn, depth-1, branch, w, more)}
	case k < 5:
		st.kind = kKafka
	case k < 8 && !txn:
		st.kind = kHand
		st.graph = st.salt%2 == 0
		if more && !w.aimed && r.IntN(3) == 0 {
			st.n = 1 + r.IntN(4)
		}
	default:
		st.kind, st.policy = kForEach, policy(r.IntN(2))
	}
	return st
}

// String shows the graph for a replayed seed.
func (g *graph) String() string {
	var b strings.Builder
	for i, is := range g.islands {
		fmt.Fprintf(&b, "  island %d (branch %d, queue %d):", i, is.branch, is.capacity)
		if is.workers != noWorkers {
			fmt.Fprintf(&b, " [%d workers %v, retry %v, late %v]", is.calls, is.workers, is.retries, is.late)
		}
		for _, s := range is.stages {
			fmt.Fprintf(&b, " %v", s.kind)
			if s.n > 0 {
				fmt.Fprintf(&b, "(%d)", s.n)
			}
			if s.kind == kMap || s.kind == kForEach {
				b.WriteString([...]string{"", "/skip", "/retry"}[s.policy])
			}
			switch {
			case s.repeat:
				b.WriteString("/repeatable")
			case s.effect:
				b.WriteString("/effects")
			}
			if s.early {
				b.WriteString("/commits")
			}
			if s.graph {
				b.WriteString("/graph")
			}
			if len(s.to) > 0 {
				fmt.Fprintf(&b, "→%v", s.to)
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}
