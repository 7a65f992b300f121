package streamtest_test

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vicuna-go/vicuna/internal/blueprint"
	"github.com/vicuna-go/vicuna/internal/core"
	"github.com/vicuna-go/vicuna/stream"
)

// graph is a random graph: how its sources are joined, a chain of stages, and a sink or a broadcast
// of chains.
type graph struct {
	join  string // "", "merge", "quiet", "concat", "numbers"
	chain chain
	takes int  // branches with a Take
	ends  bool // all have one: a run may complete, with what no branch has taken left for the next
	// no sink finishes an element after its function has returned, and each element is one record
	plain bool
	sinks int
	quiet chan *node
	aside int  // what a retry sets aside at most; 0 is plenty
	late  bool // a retry pauses for longer than a revoke waits
	mixed bool // behind a batch: an element has records of several partitions
	batch bool // there is a batch
	fails bool // some elements fail for longer than a revoke's half
	ids   int  // stages
}

type chain struct {
	stages  []stage
	sink    sinkSpec
	branch  []chain // instead of the sink
	take    int     // branch with a Take: its number, from 1
	ordered bool
	merged  bool // the branch begins with a Merge with a quiet channel
}

type stage struct {
	id         int
	kind       string
	salt       int
	n          int
	d          time.Duration
	to         *sinkSpec
	repeatable bool
	ahead      int
	ordered    bool // elements come in the order of their partitions
}

func (s stage) options(opts ...stream.Option) []stream.Option {
	if s.repeatable {
		opts = append(opts, stream.Repeatable())
	}
	if s.ahead > 0 {
		opts = append(opts, stream.Ahead(s.ahead))
	}
	return opts
}

type sinkSpec struct {
	kind    string
	id      int
	n       int
	ordered bool
	salt    int
}

func (g *graph) String() string {
	return fmt.Sprintf("join %q, aside %d: %s", g.join, g.aside, g.chain)
}

func (c chain) String() string {
	var parts []string
	for _, s := range c.stages {
		t := s.kind
		if s.n > 0 {
			t += fmt.Sprintf("(%d)", s.n)
		}
		if s.d > 0 {
			t += fmt.Sprintf("(%v)", s.d)
		}
		if s.to != nil {
			t += "→" + s.to.kind
		}
		if s.repeatable {
			t += "/repeatable"
		}
		if s.ahead > 0 {
			t += fmt.Sprintf("/ahead(%d)", s.ahead)
		}
		parts = append(parts, t)
	}
	if c.merged {
		parts = append([]string{"merge"}, parts...)
	}
	if c.branch == nil {
		return strings.Join(append(parts, c.sink.kind), " ")
	}
	for _, b := range c.branch {
		parts = append(parts, "["+b.String()+"]")
	}
	return strings.Join(parts, " ")
}

func randomGraph(r *rand.Rand, txn bool) graph {
	g := graph{}
	switch k := r.IntN(10); {
	case k < 2 && !txn:
		g.join = "merge"
	case k == 2 && !txn:
		g.join, g.quiet = "quiet", make(chan *node)
	case k == 3 && !txn:
		g.join = "concat"
	case k == 4 && !txn:
		g.join = "numbers"
	}
	g.chain = g.random(r, txn, r.IntN(5), true, r.IntN(3) == 0, false)
	g.aside = []int{0, 0, 1, 5}[r.IntN(4)]
	g.plain = !g.batch && g.chain.plain()
	return g
}

func (g *graph) random(r *rand.Rand, txn bool, n int, ordered, broadcast, batched bool) chain {
	c := chain{ordered: ordered}
	for range n {
		g.ids++
		s := stage{id: g.ids, salt: r.IntN(1000), repeatable: r.IntN(6) == 0, ordered: c.ordered}
		if r.IntN(4) == 0 {
			s.ahead = 1 + r.IntN(8)
		}
		switch k := r.IntN(24); k {
		case 0:
			s.kind = "map"
		case 1, 2:
			s.kind = "filter"
		case 3, 4, 5:
			s.kind = "flatMap"
		case 6:
			s.kind, s.n = "batch", 1+r.IntN(4)
		case 7:
			s.kind, s.n = "batch", 1000
		case 8, 9:
			s.kind, s.n, s.d = "batch", []int{3, 1000}[r.IntN(2)], []time.Duration{3 * time.Millisecond, 10 * time.Second}[r.IntN(2)]
		case 10, 11:
			s.kind, s.n = "mapAsync", 1+r.IntN(4)
		case 12:
			s.kind, s.n = "mapAsyncUnordered", 1+r.IntN(4)
			c.ordered = false
		case 13:
			s.kind, s.n = "buffer", 1+r.IntN(3)
		case 14:
			s.kind = "async"
		case 15:
			s.kind = "divert"
		case 16:
			s.kind = "tryMapDivert"
		case 17:
			s.kind = "skip"
		case 18:
			s.kind = "retry"
		case 19:
			s.kind, s.n = "mapAsyncRetry", 1+r.IntN(3)
		case 20, 21:
			s.kind = "lateRetry"
			g.late, g.mixed = true, g.mixed || batched
		case 22:
			s.kind = "outage"
		case 23:
			s.kind, s.n = "mapAsyncOutage", 1+r.IntN(3)
		}
		g.batch = g.batch || s.kind == "batch"
		g.fails = g.fails || s.kind == "outage" || s.kind == "mapAsyncOutage"
		batched = batched || s.kind == "batch" && s.n > 1
		if s.kind == "divert" || s.kind == "tryMapDivert" {
			to := g.sink(r, txn, c.ordered)
			s.to = &to
		}
		c.stages = append(c.stages, s)
	}
	if !broadcast {
		c.sink = g.sink(r, txn, c.ordered)
		return c
	}
	branches := 2 + r.IntN(2)
	g.ends = !txn && r.IntN(3) == 0
	for i := range branches {
		b := g.random(r, txn, r.IntN(3), c.ordered, false, batched)
		b.merged = r.IntN(5) == 0
		if g.ends || i > 0 && !txn && r.IntN(2) == 0 {
			g.takes++
			b.take = g.takes
			at := r.IntN(len(b.stages) + 1)
			for k := range at { // a way out before the Take would not be excused by its end
				if b.stages[k].to != nil {
					at = k
					break
				}
			}
			b.stages = slices.Insert(b.stages, at, stage{kind: "take", n: 1 + r.IntN(6)})
		}
		c.branch = append(c.branch, b)
	}
	return c
}

func (c chain) plain() bool {
	is := func(s sinkSpec) bool { return s.kind == "forEach" || s.kind == "forEachSkip" }
	for _, s := range c.stages {
		if s.to != nil && !is(*s.to) {
			return false
		}
	}
	for _, b := range c.branch {
		if !b.plain() {
			return false
		}
	}
	return c.branch != nil || is(c.sink)
}

func (g *graph) sink(r *rand.Rand, txn, ordered bool) sinkSpec {
	g.sinks++
	s := sinkSpec{id: g.sinks, ordered: ordered, n: 1 + r.IntN(6), salt: r.IntN(1000)}
	switch k := r.IntN(10); {
	case k < 3:
		s.kind = "late"
	case k < 4:
		s.kind = "forEachSkip"
	case k < 6 && !txn:
		s.kind = "manual"
	case k < 8 && !txn:
		s.kind = []string{"toChan", "otherGraph"}[s.salt%2]
	default:
		s.kind = "forEach"
	}
	return s
}

// build makes the blueprint.
func (w *world) build() stream.Graph {
	g := &w.graph
	src := w.sourceFor(0)
	switch g.join {
	case "merge":
		src = w.tap(stream.Merge(src, w.sourceFor(1)))
	case "quiet":
		src = w.tap(stream.Merge(stream.FromChan(g.quiet), src))
	case "concat":
		src = w.tap(stream.Concat(src, w.sourceFor(1)))
	case "numbers": // elements without tokens, which end beside those with them
		none := stream.Map(stream.FromRange(0, 1000), func(int) *node { return nil }).Filter(func(n *node) bool { return n != nil })
		src = w.tap(stream.Merge(none, src))
	}
	return w.chain(w.look(src), g.chain)
}

func (w *world) chain(src stream.Source[*node], c chain) stream.Graph {
	src = w.stages(src, c)
	if c.branch == nil {
		return src.To(w.sink(c.sink))
	}
	src = stream.Map(src, func(n *node) *node {
		at := &node{slices.Clone(n.leaves), n.prov}
		for i, l := range n.leaves {
			if w.graph.takes > 0 {
				at.leaves[i].of = l.d.vote(w.graph.takes)
			}
			for _, b := range c.branch {
				leaf{l.d, l.sub, b.take, at.leaves[i].of}.add(1)
			}
		}
		n.finish()
		return at
	})
	var sinks []stream.Sink[*node]
	for _, b := range c.branch {
		flow := stream.NewFlow(func(s stream.Source[*node]) stream.Source[*node] {
			if b.merged {
				s = stream.Merge(stream.FromChan(make(chan *node)), s)
			}
			s = stream.Map(w.tap(s), func(n *node) *node { return n.withClass(b.take) })
			return w.stages(s, b)
		})
		sinks = append(sinks, flow.To(w.sink(b.sink)))
	}
	return src.To(stream.Broadcast(sinks...))
}

func (n *node) withClass(class int) *node {
	c := &node{slices.Clone(n.leaves), n.prov}
	for i := range c.leaves {
		c.leaves[i].class = class
	}
	return c
}

func (w *world) stages(src stream.Source[*node], c chain) stream.Source[*node] {
	for _, s := range c.stages {
		switch s.kind {
		case "map":
			src = stream.TryMap(src, func(ctx context.Context, n *node) (*node, error) {
				w.effect(s, n)
				w.pause(ctx)
				if s.salt%8 == 0 { // Commit long before any hand-over
					for _, l := range n.leaves {
						l.d.committed.Store(true)
						l.d.m.Commit()
					}
				}
				if w.fault() {
					return nil, errFault
				}
				return n, nil
			}, s.options()...)
		case "filter":
			src = src.Filter(func(n *node) bool {
				if n.hash(s.salt)%3 == 0 {
					n.finish()
					return false
				}
				return true
			})
		case "flatMap":
			src = stream.FlatMap(src, func(n *node) iter.Seq[*node] { return w.expand(n, s.salt) })
		case "batch":
			src = stream.Map(stream.Batch(src, s.n, s.d), func(ns []*node) *node {
				all := &node{}
				for _, n := range ns {
					all.leaves, all.prov = append(all.leaves, n.leaves...), append(all.prov, n.prov...)
				}
				return all
			})
		case "mapAsync":
			src = w.tap(stream.MapAsync(src, s.n, w.called(w.call(s, false)), s.options(stream.OnError(stream.Stop()))...))
		case "mapAsyncUnordered":
			src = w.tap(stream.MapAsyncUnordered(src, s.n, w.called(w.call(s, true)), s.options(stream.OnError(stream.Skip()))...))
		case "mapAsyncRetry":
			src = w.tap(stream.MapAsync(src, s.n, w.retried(s), s.options(stream.OnError(w.retry()))...))
		case "mapAsyncOutage":
			src = w.tap(stream.MapAsync(src, s.n, w.outage(s), s.options(stream.OnError(stream.Retry(stream.Backoff{Max: time.Minute})))...))
		case "outage":
			src = stream.TryMap(src, w.outage(s), s.options(stream.OnError(stream.Retry(stream.Backoff{Max: time.Minute})))...)
		case "buffer":
			src = w.tap(src.Buffer(s.n))
		case "async":
			src = w.tap(src.Async())
		case "divert":
			src = src.Divert(func(n *node) bool { return n.hash(s.salt)%3 == 0 }, w.sink(*s.to))
		case "tryMapDivert":
			src = stream.TryMapDivert(src, func(ctx context.Context, n *node) (*node, error) {
				w.effect(s, n)
				w.pause(ctx)
				if n.hash(s.salt)%3 == 0 {
					return nil, errFault
				}
				return n, nil
			}, stream.NewFlow(func(f stream.Source[stream.Failed[*node]]) stream.Source[*node] {
				return stream.Map(f, func(f stream.Failed[*node]) *node { return f.Value })
			}).To(w.sink(*s.to)), s.options()...)
		case "skip":
			src = stream.TryMap(src, func(ctx context.Context, n *node) (*node, error) { return w.call(s, true)(ctx, n) }, s.options(stream.OnError(stream.Skip()))...)
		case "retry":
			src = stream.TryMap(src, w.retried(s), s.options(stream.OnError(w.retry()))...)
		case "lateRetry":
			src = stream.TryMap(src, w.retriedLate(s), s.options(stream.OnError(stream.Retry(stream.Backoff{First: late, Max: late, NoJitter: true})))...)
		case "take":
			b, count := c.take-1, s.n
			if w.endless {
				count = 1 << 30
			}
			src = stream.Map(src.Take(count), func(n *node) *node {
				run := n.leaves[0].d.run
				if run.takes[b].Add(1) == int32(count) {
					run.over[b].Store(true)
				}
				after := n.withClass(0)
				for i := range n.leaves {
					after.leaves[i].add(1)
					n.leaves[i].add(-1)
				}
				return after
			})
		}
	}
	return src
}

// expand: a batch into its records, a record into some copies.
func (w *world) expand(n *node, salt int) iter.Seq[*node] {
	if len(n.leaves) > 1 {
		return func(yield func(*node) bool) {
			for _, l := range n.leaves {
				w.pause(context.Background())
				if !yield(&node{[]leaf{{l.d, l.sub * 4, l.class, l.of}}, n.prov}) {
					return
				}
			}
		}
	}
	l := n.leaves[0]
	copies := int32(n.hash(salt) % 4)
	return func(yield func(*node) bool) {
		l.add(copies)
		for i := range int64(copies) {
			w.pause(context.Background())
			if !yield(&node{[]leaf{{l.d, l.sub*4 + i, l.class, l.of}}, n.prov}) {
				return
			}
		}
		l.add(-1)
	}
}

// call is a user function that may fail: for good, or, where that is skipped, on some elements.
func (w *world) call(s stage, skips bool) func(context.Context, *node) (*node, error) {
	return func(ctx context.Context, n *node) (*node, error) {
		w.effect(s, n)
		w.pause(ctx)
		w.work(ctx)
		switch {
		case skips && n.hash(s.salt)%5 == 0:
			n.finish()
			return nil, errFault
		case !skips && w.fault():
			return nil, errFault
		}
		return n, nil
	}
}

const (
	attempts = 3
	late     = 20 * time.Minute
)

func (w *world) retry() stream.Policy {
	return stream.Retry(stream.Backoff{Attempts: attempts, First: time.Millisecond, Max: 2 * time.Second, Factor: 30}).Else(stream.Skip())
}

// retried fails up to three times on some elements; then they are skipped.
func (w *world) retried(s stage) func(context.Context, *node) (*node, error) {
	var mu sync.Mutex
	tried := map[*node]int{}
	return func(ctx context.Context, n *node) (*node, error) {
		mu.Lock()
		first := tried[n] == 0
		mu.Unlock()
		if first {
			w.effect(s, n)
		}
		w.pause(ctx)
		mu.Lock()
		defer mu.Unlock()
		if tried[n] < n.hash(s.salt)%16-8 {
			if tried[n]++; tried[n] == attempts {
				n.finish()
			}
			return nil, errFault
		}
		return n, nil
	}
}

// retriedLate fails on a few elements, until they have been tried twice or nothing fails any more.
func (w *world) retriedLate(s stage) func(context.Context, *node) (*node, error) {
	var mu sync.Mutex
	tried := map[*node]int{}
	return func(ctx context.Context, n *node) (*node, error) {
		mu.Lock()
		first := tried[n] == 0
		mu.Unlock()
		if first {
			w.taken(n)
			w.effect(s, n)
		}
		w.pause(ctx)
		mu.Lock()
		defer mu.Unlock()
		if tried[n]++; !w.final.Load() && tried[n] <= 2 && n.hash(s.salt)%8 == 0 {
			return nil, errFault
		}
		return n, nil
	}
}

// outage fails on some elements for a while.
func (w *world) outage(s stage) func(context.Context, *node) (*node, error) {
	var mu sync.Mutex
	since := map[*node]time.Time{}
	return func(ctx context.Context, n *node) (*node, error) {
		mu.Lock()
		first := since[n].IsZero()
		if first {
			since[n] = time.Now()
		}
		began := since[n]
		mu.Unlock()
		if first {
			w.effect(s, n)
		}
		w.work(ctx)
		if h := n.hash(s.salt); h%6 == 0 && !w.final.Load() && time.Since(began) < time.Duration(h)*100*time.Millisecond {
			return nil, errFault
		}
		return n, nil
	}
}

// called checks what comes to a worker.
func (w *world) called(f func(context.Context, *node) (*node, error)) func(context.Context, *node) (*node, error) {
	return func(ctx context.Context, n *node) (*node, error) {
		w.taken(n)
		return f(ctx, n)
	}
}

// look learns of each run, and sets it up.
func (w *world) look(src stream.Source[*node]) stream.Source[*node] {
	return stream.Source[*node](blueprint.Operator(blueprint.Source[*node](src), "look", func(b *core.Builder, _ string, at core.At, next func(core.At) core.Stage[*node]) core.Stage[*node] {
		b.Run.Aside = w.graph.aside
		w.core.Store(b.Run)
		return next(at)
	}))
}
