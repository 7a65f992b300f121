package proof_test

import (
	"context"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/internal/blueprint"
	"github.com/vicuna-go/vicuna/internal/core"
	"github.com/vicuna-go/vicuna/internal/feed"
	"github.com/vicuna-go/vicuna/internal/topics"
	"github.com/vicuna-go/vicuna/internal/tracker"
	"github.com/vicuna-go/vicuna/stream"
)

// breakage breaks a stand-in in one place.
type breakage int

const (
	sound breakage = iota
	// offsets are committed when the stream gets the record, not when it is finished
	commitAtDelivery
	noDrain  // a revoke waits for nothing
	noSettle // a transaction is committed while its records are on their way
)

// message is a record with its place in an assignment.
type message struct {
	*kgo.Record
	assignment *feed.Assignment[*message]
	position   uint64
}

// Commit implements envelope.Committable.
func (m *message) Commit() { m.assignment.Commit(m.position) }

// member stands in for package consumer: a member of a group whose offsets are committed when it is
// safe.
//
// The poller blocks rebalances from a poll until it has handed the records over, which takes no
// time worth mentioning: handing over never waits for downstream. So records of one assignment are
// never delivered to the next one of the same partition.
type member struct {
	opts   []kgo.Opt
	within time.Duration // the deadline of a revoke
	broken breakage

	run  *core.Run
	feed *feed.Feed[*message]
	cl   *kgo.Client

	moved chan struct{} // there is more to commit
	// held while offsets are collected and committed; a channel, since a bubble's clock does not
	// wait for a mutex
	committing chan struct{}
	committed  map[topics.Partition]tracker.Mark

	mu          sync.Mutex
	assignments map[topics.Partition]*feed.Assignment[*message]
	paused      map[topics.Partition]bool
	delivered   map[topics.Partition]tracker.Mark
	crashed     bool

	assigned   chan struct{} // the first assignment with a partition in it
	inAssigned sync.Once
	revoked    int // partitions
	dropped    int // records that were on their way at the deadlines of revokes
}

func newMember(opts ...kgo.Opt) *member {
	return &member{
		opts: opts, within: 10 * time.Second, moved: make(chan struct{}, 1), committing: make(chan struct{}, 1), assigned: make(chan struct{}),
		committed: map[topics.Partition]tracker.Mark{}, assignments: map[topics.Partition]*feed.Assignment[*message]{},
		paused: map[topics.Partition]bool{}, delivered: map[topics.Partition]tracker.Mark{},
	}
}

// source is what a consumer's CommittableSource will be.
func (m *member) source() stream.Source[*message] {
	return stream.Source[*message](blueprint.NewSource(func(b *core.Builder, next func(core.At) core.Stage[*message]) {
		isl := b.Run.NewIsland()
		st := next(core.At{Island: isl})
		isl.AddSource(b.Name("member"))
		m.run = b.Run
		m.feed = feed.New[*message](isl, feed.Options{Moved: m.more})
		core.Drive(isl, m.feed.Intake(), st)
		b.Run.OnStart(m.start)
	}))
}

func (m *member) more() {
	select {
	case m.moved <- struct{}{}:
	default:
	}
}

func (m *member) start() {
	cl, err := kgo.NewClient(append(m.opts,
		kgo.DisableAutoCommit(), kgo.BlockRebalanceOnPoll(),
		kgo.OnPartitionsAssigned(m.onAssigned), kgo.OnPartitionsRevoked(m.onRevoked), kgo.OnPartitionsLost(m.onLost),
	)...)
	if err != nil {
		m.run.Fail(err)
		return
	}
	m.mu.Lock() // callbacks run already
	m.cl = cl
	m.mu.Unlock()
	stop := m.run.Serve("commit", m.commitLoop)
	m.run.OnEnd(func(ctx context.Context) error {
		defer cl.CloseAllowingRebalance()
		ends := m.feed.Finish(ctx)
		stop()
		if m.hasCrashed() {
			gone, cancel := context.WithCancel(ctx)
			cancel()
			_ = cl.LeaveGroupContext(gone) // the broker is not told
			return nil
		}
		return m.commitEnds(ctx, ends)
	})
	m.run.Go("poll", m.poll)
	m.run.Go("resume", m.resume)
}

func (m *member) poll() {
	for {
		fetches := m.cl.PollFetches(m.run.SourceContext())
		if m.run.SourceContext().Err() != nil || m.feed.Over() {
			m.cl.AllowRebalance()
			return
		}
		fetches.EachError(func(_ string, _ int32, err error) { m.run.Fail(err) })
		fetches.EachPartition(m.deliver)
		m.cl.AllowRebalance()
	}
}

func (m *member) deliver(p kgo.FetchTopicPartition) {
	if len(p.Records) == 0 {
		return
	}
	at := topics.Partition{Topic: p.Topic, Partition: p.Partition}
	m.mu.Lock()
	a := m.assignments[at]
	m.mu.Unlock()
	if a == nil {
		return
	}
	slab := make([]message, len(p.Records))
	elements := make([]*message, len(p.Records))
	first := a.Position()
	for i, r := range p.Records {
		slab[i] = message{r, a, first + uint64(i)}
		elements[i] = &slab[i]
	}
	if !a.Deliver(feed.Delivery[*message]{Vals: elements, Offsets: offsetsOf(p.Records)}) {
		return
	}
	last := p.Records[len(p.Records)-1]
	m.mu.Lock()
	m.delivered[at] = tracker.Mark{Offset: last.Offset + 1, Epoch: last.LeaderEpoch}
	full := a.Room() == 0
	if full {
		m.paused[at] = true
	}
	m.mu.Unlock()
	if full {
		m.cl.PauseFetchPartitions(map[string][]int32{at.Topic: {at.Partition}})
		m.feed.Ring() // there may be room again
	}
}

// resume lets partitions be fetched again that have room.
func (m *member) resume() {
	for {
		changed := m.feed.Listen()
		if m.feed.Over() || m.run.Draining() || m.run.Stopped() {
			return
		}
		m.mu.Lock()
		room := map[string][]int32{}
		for p := range m.paused {
			if a := m.assignments[p]; a == nil || a.Room() > 0 {
				room[p.Topic] = append(room[p.Topic], p.Partition)
				delete(m.paused, p)
			}
		}
		m.mu.Unlock()
		if len(room) > 0 {
			m.cl.ResumeFetchPartitions(room)
		}
		select {
		case <-changed:
		case <-m.run.DrainC():
		case <-m.run.StopC():
		}
	}
}

func (m *member) onAssigned(_ context.Context, _ *kgo.Client, added map[string][]int32) {
	for _, p := range partitionsOf(added) {
		a, err := m.feed.Assign(p, tracker.Mark{})
		if err != nil {
			m.run.Fail(err)
			return
		}
		m.mu.Lock()
		m.assignments[p] = a
		delete(m.delivered, p)
		m.mu.Unlock()
		m.inAssigned.Do(func() { close(m.assigned) })
	}
	m.feed.Ring()
}

func (m *member) onRevoked(ctx context.Context, cl *kgo.Client, taken map[string][]int32) {
	if m.hasCrashed() {
		return
	}
	within := m.within
	if m.broken == noDrain {
		within = 0
	}
	ps := partitionsOf(taken)
	ends := m.feed.Revoke(within, ps...).Wait()
	if err := m.commitVia(ctx, cl, ends); err != nil {
		m.run.Fail(err)
	}
	m.forget(ps)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.revoked += len(ends)
	for _, e := range ends {
		m.dropped += e.Outstanding
	}
}

func (m *member) onLost(_ context.Context, _ *kgo.Client, lost map[string][]int32) {
	ps := partitionsOf(lost)
	m.feed.Lose(ps...)
	m.forget(ps)
}

func (m *member) forget(ps []topics.Partition) {
	m.mu.Lock()
	for _, p := range ps {
		delete(m.assignments, p)
	}
	m.mu.Unlock()
	m.feed.Ring() // what is paused is resumed: it may come back
}

// crash makes the end of the run the end of a process: nothing more is committed, and the group is
// not told.
func (m *member) crash(ctl *stream.Control) {
	m.mu.Lock()
	m.crashed = true
	m.mu.Unlock()
	ctl.Stop()
	<-ctl.Done()
}

func (m *member) hasCrashed() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.crashed
}

func partitionsOf(byTopic map[string][]int32) (ps []topics.Partition) {
	for topic, ids := range byTopic {
		for _, id := range ids {
			ps = append(ps, topics.Partition{Topic: topic, Partition: id})
		}
	}
	return ps
}
