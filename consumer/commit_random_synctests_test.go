//go:build synctests

package consumer_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

var (
	commitWorlds = flag.Int("commit.worlds", 0, "how many random worlds TestCommitRandomly runs; 0 is 300")
	commitSeed   = flag.Uint64("commit.seed", 0, "the world to run alone; 0 runs all")
)

// Random pipelines with slow stages, over runs of one group that are stopped, drained, crashed or
// failed at random times, alone or two at a time: at no time is an offset committed below which
// anything is unfinished, no offset goes back, and in the end nothing is missing.
func TestCommitRandomly(t *testing.T) {
	if *commitSeed != 0 {
		grouptest.Run(t, 0, func(t *testing.T, w *grouptest.World) { newRandomWorld(t, w, *commitSeed).run() }, slowDeaths)
		return
	}
	n := *commitWorlds
	if n == 0 {
		n = 300
	}
	if testing.Short() {
		n /= 10
	}
	const each = 20 // worlds that share a broker
	for from := 1; from <= n; from += each {
		grouptest.Run(t, 0, func(t *testing.T, w *grouptest.World) {
			for seed := from; seed < from+each && !t.Failed(); seed++ {
				newRandomWorld(t, w, uint64(seed)).run()
			}
		}, slowDeaths)
	}
}

// slowDeaths: in all protocols dead members are noticed as late as by default.
var slowDeaths = grouptest.Broker(kafkatest.BrokerConfig(map[string]string{
	"group.consumer.heartbeat.interval.ms": "5000", "group.consumer.session.timeout.ms": "45000",
}))

type randomWorld struct {
	*grouptest.World
	t        *testing.T
	seed     uint64
	r        *rand.Rand
	stages   []randomStage
	sink     int
	protocol settings.GroupProtocol
	done     *grouptest.Deliveries // the parts of records that were finished

	mu    sync.Mutex
	fails int // calls until one fails
}

// piece is a part of a record on its way.
type commitPiece struct {
	p    int32
	o    int64
	path string
}

func (e commitPiece) hash() int64 {
	h := e.o*31 + int64(e.p)
	for _, c := range e.path {
		h = h*7 + int64(c)
	}
	return h
}

type randomStage struct {
	kind, arg int
	slow      time.Duration
}

const (
	mapping = iota
	filtering
	splitting
	batching
	ordered
	unordered
	async
	kinds
)

func newRandomWorld(t *testing.T, first *grouptest.World, seed uint64) *randomWorld {
	r := rand.New(rand.NewPCG(seed, 5))
	partitions := 1 + r.IntN(3)
	w := &randomWorld{World: first.Beside(fmt.Sprintf("in%d", seed), fmt.Sprintf("group%d", seed), partitions), t: t, seed: seed, r: r}
	for p := range int32(partitions) {
		w.Write(p, 0, r.IntN(150))
	}
	for range 1 + r.IntN(4) {
		s := randomStage{kind: r.IntN(kinds), arg: 1 + r.IntN(9)}
		if r.IntN(2) == 0 {
			s.slow = time.Duration(r.IntN(20)) * time.Millisecond
		}
		w.stages = append(w.stages, s)
	}
	w.sink = r.IntN(3)
	if seed%2 == 1 {
		w.Handle = []consumer.Option{consumer.Recycle()}
	}
	w.done = w.Guarded(w.parts)
	return w
}

func keeps(s randomStage, e commitPiece) bool { return e.hash()%int64(s.arg+1) != 0 }

func splits(s randomStage, e commitPiece) (parts []commitPiece) {
	for i := range e.hash() % 4 {
		parts = append(parts, commitPiece{e.p, e.o, e.path + string(rune('a'+i))})
	}
	return parts
}

// parts are those of a record that arrive at the sink.
func (w *randomWorld) parts(p int32, o int64) (paths []string) {
	all := []commitPiece{{p, o, ""}}
	for _, s := range w.stages {
		var next []commitPiece
		for _, e := range all {
			switch {
			case s.kind == filtering && !keeps(s, e):
			case s.kind == splitting:
				next = append(next, splits(s, e)...)
			default:
				next = append(next, e)
			}
		}
		all = next
	}
	for _, e := range all {
		paths = append(paths, e.path)
	}
	return paths
}

var errRandom = errors.New("a function of the user's has failed")

// work is what a slow stage does.
func (w *randomWorld) work(ctx context.Context, s randomStage, e commitPiece) (commitPiece, error) {
	w.mu.Lock()
	w.fails--
	fails := w.fails == 0
	takes := time.Duration(0)
	if s.slow > 0 && w.r.IntN(3) == 0 {
		takes = time.Duration(w.r.Int64N(int64(s.slow)))
	}
	w.mu.Unlock()
	if fails {
		return e, errRandom
	}
	if takes > 0 {
		return e, grouptest.Idle(ctx, takes)
	}
	return e, nil
}

func (w *randomWorld) build(c *strConsumer) stream.Graph {
	interval := time.Duration(1+w.r.IntN(40)) * time.Millisecond
	cm := settings.NewCommitter(settings.MaxBatch(1+w.r.IntN(40)), settings.MaxInterval(interval))
	pieces := stream.NewFlow(func(src stream.Source[*strMessage]) stream.Source[commitPiece] {
		return w.through(stream.Map(src, func(m *strMessage) commitPiece { return commitPiece{m.Partition(), m.Record.Offset(), ""} }))
	})
	finish := stream.ForEach(func(ctx context.Context, e commitPiece) error {
		if _, err := w.work(ctx, randomStage{slow: 2 * time.Millisecond}, e); err != nil {
			return err
		}
		w.done.Put(grouptest.Delivery{Partition: e.p, Offset: e.o, Value: grouptest.Value(e.p, e.o, e.path)})
		return nil
	})
	main := pieces.To(finish)
	switch w.sink {
	case 0:
		return c.CommittableSource().To(stream.Broadcast(main, onlyArms(cm)))
	case 1: // with every offset through a Committer beside
		return c.CommittableSource().To(stream.Broadcast(onlyArms(cm), main))
	}
	return stream.Each(c.CommittablePartitionedSource(), 8, func(_ consumer.TopicPartition, src stream.Source[*strMessage]) stream.Graph {
		return src.To(stream.Broadcast(main, onlyArms(cm)))
	})
}

func (w *randomWorld) through(src stream.Source[commitPiece]) stream.Source[commitPiece] {
	for _, s := range w.stages {
		call := func(ctx context.Context, e commitPiece) (commitPiece, error) { return w.work(ctx, s, e) }
		switch s.kind {
		case mapping:
			src = stream.TryMap(src, call)
		case filtering:
			src = src.Filter(func(e commitPiece) bool { return keeps(s, e) })
		case splitting:
			src = stream.FlatMap(src, func(e commitPiece) iter.Seq[commitPiece] { return slices.Values(splits(s, e)) })
		case batching:
			batches := stream.Batch(src, 1+s.arg*7, 30*time.Millisecond)
			src = stream.FlatMap(batches, func(es []commitPiece) iter.Seq[commitPiece] { return slices.Values(es) })
		case ordered:
			src = stream.MapAsync(src, s.arg, call)
		case unordered:
			src = stream.MapAsyncUnordered(src, s.arg, call)
		case async:
			src = src.Async()
		}
	}
	return src
}

func (w *randomWorld) run() {
	w.protocol = []settings.GroupProtocol{settings.CooperativeSticky, settings.Eager, settings.ConsumerProtocol}[w.r.IntN(3)]
	opts := func() []settings.ConsumerOption {
		w.mu.Lock()
		defer w.mu.Unlock()
		return []settings.ConsumerOption{
			settings.SessionTimeout(time.Second), settings.Protocol(w.protocol), settings.TrackLimit(1 + w.r.IntN(200)),
			settings.RevokeTimeout(time.Duration(1+w.r.IntN(300)) * time.Millisecond),
		}
	}
	limits := []stream.RunOption{stream.DrainTimeout(2 * time.Second), stream.CloseTimeout(time.Second)}
	for range int(w.some(5) / time.Millisecond) {
		w.mu.Lock()
		w.fails = 0
		if w.r.IntN(4) == 0 {
			w.fails = 1 + w.r.IntN(200)
		}
		w.mu.Unlock()
		members := []*stream.Control{w.begin(opts(), limits)}
		if w.some(3) == 0 {
			<-time.After(w.some(200))
			members = append(members, w.begin(opts(), limits))
		}
		<-time.After(w.some(600))
		for _, ctl := range members {
			switch w.some(3) / time.Millisecond {
			case 0:
				grouptest.Stop(ctl)
			case 1:
				_ = ctl.Drain(w.t.Context())
			case 2:
				w.Crash(ctl)
			}
		}
	}
	w.mu.Lock()
	w.fails = 0
	w.mu.Unlock()
	w.Bury(w.protocol)
	require.NoError(w.t, w.build(w.ToEnd(opts()...)).Run(w.t.Context(), limits...), "world %d", w.seed)
	v := w.done.Verify(w.Sent())
	w.t.Logf("world %d: %v", w.seed, v)
	require.Zero(w.t, v.Backwards, "world %d: %v; %v", w.seed, w.stages, v)
	require.Zero(w.t, v.Early, "world %d: %v; %v", w.seed, w.stages, v)
	require.Zero(w.t, v.Lost, "world %d: %v; %v", w.seed, w.stages, v)
	for p, n := range w.Sent() {
		if n > 0 {
			require.EqualValues(w.t, n, w.Committed(p), "world %d", w.seed)
		}
	}
}

func (w *randomWorld) begin(opts []settings.ConsumerOption, limits []stream.RunOption) *stream.Control {
	w.mu.Lock()
	g := w.build(w.Consumer(opts...))
	w.mu.Unlock()
	return w.Start(g, limits...)
}

// some is up to so many milliseconds.
func (w *randomWorld) some(ms int) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Duration(w.r.IntN(ms)) * time.Millisecond
}
