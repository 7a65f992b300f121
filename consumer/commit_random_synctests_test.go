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
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vicuna-go/vicuna/consumer"
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
		virtual(t, func(t *testing.T, k *kafkatest.Broker) { newRandomWorld(t, k, *commitSeed).run() })
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
		virtual(t, func(t *testing.T, k *kafkatest.Broker) {
			for seed := from; seed < from+each && !t.Failed(); seed++ {
				newRandomWorld(t, k, uint64(seed)).run()
			}
		}, kafkatest.InMemory())
	}
}

type randomWorld struct {
	*commitWorld
	seed     uint64
	r        *rand.Rand
	counts   []int
	stages   []randomStage
	sink     int
	protocol settings.GroupProtocol

	mu      sync.Mutex
	done    map[[2]int64]map[string]int // of each record, its parts that were finished
	last    map[int32]int64             // committed
	fails   int                         // calls until one fails
	commits int
	early   []string
	back    []string
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

func newRandomWorld(t *testing.T, k *kafkatest.Broker, seed uint64) *randomWorld {
	r := rand.New(rand.NewPCG(seed, 5))
	w := &randomWorld{
		commitWorld: &commitWorld{t: t, k: k, topic: fmt.Sprintf("in%d", seed), group: fmt.Sprintf("group%d", seed)},
		seed:        seed, r: r, done: map[[2]int64]map[string]int{}, last: map[int32]int64{},
	}
	partitions := 1 + r.IntN(3)
	k.CreateTopic(t, w.topic, partitions)
	for p := range partitions {
		w.counts = append(w.counts, r.IntN(150))
		w.produce(int32(p), 0, w.counts[p])
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
		w.options = []consumer.Option{consumer.Recycle()}
	}
	w.watch()
	return w
}

// watch looks at each commit before it is made.
func (w *randomWorld) watch() {
	id := w.k.Cluster().TopicInfo(w.topic).TopicID
	faults := w.k.Fault(kfake.Fault{Keys: commitKey, Group: w.group, Count: -1, Observe: true, When: func(r kmsg.Request) bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, rt := range r.(*kmsg.OffsetCommitRequest).Topics {
			if rt.Topic != w.topic && rt.TopicID != id {
				continue
			}
			for _, rp := range rt.Partitions {
				w.look(rp.Partition, rp.Offset)
			}
		}
		return true
	}})
	w.t.Cleanup(faults.Remove)
}

func (w *randomWorld) look(p int32, offset int64) {
	w.commits++
	if offset < w.last[p] {
		w.back = append(w.back, fmt.Sprintf("%d: from %d to %d", p, w.last[p], offset))
	}
	w.last[p] = offset
	for o := range offset {
		if missing := w.missing(p, o); missing != "" {
			w.early = append(w.early, fmt.Sprintf("%d@%d committed without %s", p, offset, missing))
			return
		}
	}
}

// missing names a part of a record that was not finished.
func (w *randomWorld) missing(p int32, o int64) string {
	for _, e := range w.parts(p, o) {
		if w.done[[2]int64{int64(p), o}][e.path] == 0 {
			return fmt.Sprintf("%d@%d%s", p, o, e.path)
		}
	}
	return ""
}

func keeps(s randomStage, e commitPiece) bool { return e.hash()%int64(s.arg+1) != 0 }

func splits(s randomStage, e commitPiece) (parts []commitPiece) {
	for i := range e.hash() % 4 {
		parts = append(parts, commitPiece{e.p, e.o, e.path + string(rune('a'+i))})
	}
	return parts
}

// parts are those of a record that arrive at the sink.
func (w *randomWorld) parts(p int32, o int64) []commitPiece {
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
	return all
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
		select {
		case <-time.After(takes):
		case <-ctx.Done():
			return e, context.Cause(ctx)
		}
	}
	return e, nil
}

func (w *randomWorld) build(c commitHandle) stream.Graph {
	interval := time.Duration(1+w.r.IntN(40)) * time.Millisecond
	cm := settings.NewCommitter(settings.MaxBatch(1+w.r.IntN(40)), settings.MaxInterval(interval))
	pieces := stream.NewFlow(func(src stream.Source[commitMessage]) stream.Source[commitPiece] {
		return w.through(stream.Map(src, func(m commitMessage) commitPiece { return commitPiece{m.Partition(), m.Record.Offset(), ""} }))
	})
	finish := stream.ForEach(func(ctx context.Context, e commitPiece) error {
		if _, err := w.work(ctx, randomStage{slow: 2 * time.Millisecond}, e); err != nil {
			return err
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		at := [2]int64{int64(e.p), e.o}
		if w.done[at] == nil {
			w.done[at] = map[string]int{}
		}
		w.done[at][e.path]++
		return nil
	})
	main := pieces.To(finish)
	switch w.sink {
	case 0:
		return c.CommittableSource().To(stream.Broadcast(main, onlyArms(cm)))
	case 1: // with every offset through a Committer beside
		return c.CommittableSource().To(stream.Broadcast(onlyArms(cm), main))
	}
	return stream.Each(c.CommittablePartitionedSource(), 8, func(_ consumer.TopicPartition, src stream.Source[commitMessage]) stream.Graph {
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
				ctl.Stop()
				<-ctl.Done()
			case 1:
				_ = ctl.Drain(w.t.Context())
			case 2:
				w.crash(ctl)
			}
		}
	}
	w.mu.Lock()
	w.fails = 0
	w.mu.Unlock()
	w.bury()
	require.NoError(w.t, w.build(w.toEnd(opts()...)).Run(w.t.Context(), limits...), "world %d", w.seed)
	w.mu.Lock()
	defer w.mu.Unlock()
	again := 0
	for _, parts := range w.done {
		for _, n := range parts {
			again += n - 1
		}
	}
	w.t.Logf("world %d: %d records, %d commits, %d parts were finished again", w.seed, len(w.done), w.commits, again)
	require.Empty(w.t, w.back, "world %d: %v", w.seed, w.stages)
	require.Empty(w.t, w.early, "world %d: %v", w.seed, w.stages)
	for p, n := range w.counts {
		for o := range int64(n) {
			require.Empty(w.t, w.missing(int32(p), o), "world %d: lost; %v", w.seed, w.stages)
		}
		if n > 0 {
			require.EqualValues(w.t, n, w.last[int32(p)], "world %d", w.seed)
		}
	}
}

// bury takes dead members out of the group, and fails if it cannot: a bounded run reads what it is
// assigned, and what a dead member has is read by nobody. The embedded broker keeps one for ever
// that died between joining and syncing, which Kafka does not; and one of KIP-848's protocol until
// its session is over.
func (w *randomWorld) bury() {
	group := w.k.Cluster().GroupInfo(w.group)
	if group == nil {
		return
	}
	cl, err := kgo.NewClient(w.k.ClientOptions()...)
	require.NoError(w.t, err)
	defer cl.Close()
	for _, m := range group.Members {
		if w.protocol == settings.ConsumerProtocol {
			req := kmsg.NewPtrConsumerGroupHeartbeatRequest()
			req.Group, req.MemberID, req.MemberEpoch = w.group, m.MemberID, -1
			resp, err := req.RequestWith(w.t.Context(), cl)
			require.NoError(w.t, err)
			require.NoError(w.t, kerr.ErrorForCode(resp.ErrorCode))
			continue
		}
		req := kmsg.NewPtrLeaveGroupRequest()
		req.Group = w.group
		member := kmsg.NewLeaveGroupRequestMember()
		member.MemberID = m.MemberID
		req.Members = append(req.Members, member)
		resp, err := req.RequestWith(w.t.Context(), cl)
		require.NoError(w.t, err)
		require.NoError(w.t, kerr.ErrorForCode(resp.ErrorCode))
	}
	if group = w.k.Cluster().GroupInfo(w.group); group != nil {
		require.Empty(w.t, group.Members, "world %d", w.seed)
	}
}

func (w *randomWorld) begin(opts []settings.ConsumerOption, limits []stream.RunOption) *stream.Control {
	w.mu.Lock()
	g := w.build(w.consumer(opts...))
	w.mu.Unlock()
	return w.start(g, limits...)
}

// some is up to so many milliseconds.
func (w *randomWorld) some(ms int) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Duration(w.r.IntN(ms)) * time.Millisecond
}
