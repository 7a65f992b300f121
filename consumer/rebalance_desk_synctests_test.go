//go:build synctests

package consumer_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/serde"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

type (
	deskMessage = *consumer.CommittableMessage[string, string]
	deskHandle  = *consumer.Consumer[string, string]
)

const (
	deskTopic = "desk"
	deskGroup = "clerks"
)

// desk is a topic of two partitions with numbered records, a group that reads it, and the commits
// that the broker sees.
type desk struct {
	t   *testing.T
	k   *kafkatest.Broker
	log *logbook

	mu      sync.Mutex
	commits []seenCommit
	seen    chan struct{} // gets one for each commit, as far as there is room
	last    kmsg.Request
}

func newDesk(t *testing.T, k *kafkatest.Broker, records int) *desk {
	t.Helper()
	k.CreateTopic(t, deskTopic, 2)
	d := &desk{t: t, k: k, log: &logbook{}, seen: make(chan struct{}, 1)}
	for p := range int32(2) {
		d.write(p, 0, records)
	}
	d.watch()
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(d.log.String())
		}
	})
	return d
}

// watch observes commits; again behind a restart.
func (d *desk) watch() {
	d.k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Group: deskGroup, Observe: true, Count: -1, When: func(r kmsg.Request) bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.last == r {
			return true
		}
		d.last = r
		req := r.(*kmsg.OffsetCommitRequest)
		for _, rt := range req.Topics {
			for _, p := range rt.Partitions {
				d.commits = append(d.commits, seenCommit{req.MemberID, p.Partition, p.Offset, time.Now()})
			}
		}
		select {
		case d.seen <- struct{}{}:
		default:
		}
		return true
	}})
}

// write writes the records of a partition with the numbers from up to end, which are their offsets.
func (d *desk) write(p int32, from, end int) {
	d.t.Helper()
	recs := make([]*kgo.Record, 0, end-from)
	for i := from; i < end; i++ {
		recs = append(recs, kgo.StringRecord(strconv.Itoa(i)))
	}
	kafkatest.ProduceTo(d.t, d.k, deskTopic, p, recs...)
}

// commitsOf are those of a partition that came behind the first n of all.
func (d *desk) commitsOf(p int32, behind int) (cs []seenCommit) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.commits[behind:] {
		if c.partition == p {
			cs = append(cs, c)
		}
	}
	return cs
}

func (d *desk) commitCount() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.commits)
}

func (d *desk) committed(p int32) int64 {
	d.t.Helper()
	if g := d.k.Cluster().GroupInfo(deskGroup); g != nil {
		if c, ok := g.Commits[deskTopic][p]; ok {
			return c.Offset
		}
	}
	return -1
}

func (d *desk) await(what string, ok func() bool) {
	d.t.Helper()
	awaitThat(d.t, what, ok)
}

func (d *desk) awaitCommitted(p int32, offset int64) {
	d.t.Helper()
	d.await(fmt.Sprintf("partition %d to be committed up to %d", p, offset), func() bool { return d.committed(p) == offset })
}

// settings are those of a member whose group moves fast and notices a dead member late.
func (d *desk) settings(opts ...settings.ConsumerOption) settings.Consumer[string, string] {
	d.t.Helper()
	cs := settings.NewConsumer(serde.String(), serde.String(),
		d.k.Bootstrap(), d.k.Dialer(), settings.Group(deskGroup), settings.HeartbeatInterval(100*time.Millisecond), settings.FetchMaxWait(50*time.Millisecond),
		settings.Logger(slog.New(slog.NewTextHandler(d.log, nil))),
	).With(opts...)
	require.NoError(d.t, cs.Err())
	return cs
}

func (d *desk) producer(opts ...settings.ProducerOption) settings.Producer[string, string] {
	return settings.NewProducer(serde.String(), serde.String(), d.k.Bootstrap(), d.k.Dialer(), settings.Logger(slog.New(slog.NewTextHandler(d.log, nil)))).With(opts...)
}

// clerk is a member of the group, its events and what it was given.
type clerk struct {
	d      *desk
	handle deskHandle
	ctl    *stream.Control

	mu     sync.Mutex
	events []deskEvent
	took   []taken
}

type deskEvent struct {
	consumer.Event
	at time.Time
}

// taken is a record that a clerk's function was given.
type taken struct {
	partition int32
	offset    int64
	at        time.Time
}

func (d *desk) clerk(opts ...settings.ConsumerOption) *clerk { return d.clerkWith(opts) }

func (d *desk) clerkWith(opts []settings.ConsumerOption, more ...consumer.Option) *clerk {
	d.t.Helper()
	c := &clerk{d: d}
	note := func(k consumer.EventKind) func(context.Context, *consumer.Restricted, []consumer.TopicPartition) error {
		return func(_ context.Context, _ *consumer.Restricted, ps []consumer.TopicPartition) error {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.events = append(c.events, deskEvent{consumer.Event{Kind: k, Partitions: ps}, time.Now()})
			return nil
		}
	}
	handler := consumer.Handler{Assigned: note(consumer.Assigned), Revoked: note(consumer.Revoked), Lost: note(consumer.Lost)}
	c.handle = consumer.New(d.settings(opts...), consumer.Topics(deskTopic), append([]consumer.Option{consumer.OnRebalance(handler)}, more...)...)
	return c
}

// run starts a graph of the clerk's.
func (c *clerk) run(g stream.Graph, opts ...stream.RunOption) {
	c.d.t.Helper()
	ctl, err := g.Start(c.d.t.Context(), opts...)
	require.NoError(c.d.t, err)
	c.ctl = ctl
	c.d.t.Cleanup(func() { endRun(ctl) })
}

// note writes down that a record was given to the clerk's function.
func (c *clerk) note(m deskMessage) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.took = append(c.took, taken{m.Partition(), m.Record.Offset(), time.Now()})
}

// copies is a graph that does something with each message, and commits.
func (c *clerk) copies(do func(context.Context, deskMessage) error, cm ...settings.CommitterOption) stream.Graph {
	offsets := stream.TryMap(c.handle.CommittableSource(), func(ctx context.Context, m deskMessage) (envelope.Committable, error) {
		c.note(m)
		if do != nil {
			if err := do(ctx, m); err != nil {
				return nil, err
			}
		}
		return m.Offset, nil
	}).Named("work")
	return offsets.To(consumer.CommitterSink(settings.NewCommitter(cm...)))
}

func (c *clerk) takenOf(p int32) (all []taken) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, x := range c.took {
		if x.partition == p {
			all = append(all, x)
		}
	}
	return all
}

// offsetsOf are the offsets of a partition's records that the clerk was given.
func (c *clerk) offsetsOf(p int32) (offsets []int64) {
	for _, x := range c.takenOf(p) {
		offsets = append(offsets, x.offset)
	}
	return offsets
}

// happened returns the clerk's events of a kind.
func (c *clerk) happened(k consumer.EventKind) (all []deskEvent) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.events {
		if e.Kind == k {
			all = append(all, e)
		}
	}
	return all
}

// has reports which partitions the clerk has.
func (c *clerk) has() []int32 {
	ps, err := c.handle.Assignment()
	if err != nil {
		return nil
	}
	var ids []int32
	for _, p := range ps {
		ids = append(ids, p.Partition)
	}
	return ids
}

// awaitPartitions waits until the clerk has so many.
func (c *clerk) awaitPartitions(n int) []int32 {
	c.d.t.Helper()
	c.d.await(fmt.Sprintf("%d partitions", n), func() bool { return len(c.has()) == n })
	return c.has()
}

func (c *clerk) drain() {
	c.d.t.Helper()
	require.NoError(c.d.t, c.ctl.Drain(c.d.t.Context()))
}

func (c *clerk) dropped() int64 {
	c.d.t.Helper()
	m, err := c.handle.Metrics()
	require.NoError(c.d.t, err)
	return m.Revoked
}

// upTo are the offsets from one up to another.
func upTo(from, end int64) []int64 {
	var all []int64
	for ; from < end; from++ {
		all = append(all, from)
	}
	return all
}

// cable is a dialer that can be cut, with what goes through it.
type cable struct {
	dial settings.DialFunc

	mu    sync.Mutex
	conns []net.Conn
	cut   bool
}

var errCut = errors.New("the cable is cut")

func newCable(k *kafkatest.Broker) *cable {
	return &cable{dial: settings.NewProducer(serde.String(), serde.String(), k.Bootstrap(), k.Dialer()).Dialer()}
}

func (c *cable) option() settings.Option { return settings.Dialer(c.dialing) }

// dialing makes a connection through it.
func (c *cable) dialing(ctx context.Context, network, addr string) (net.Conn, error) {
	c.mu.Lock()
	cut := c.cut
	c.mu.Unlock()
	if cut {
		return nil, errCut
	}
	conn, err := c.dial(ctx, network, addr)
	if err == nil {
		c.mu.Lock()
		c.conns = append(c.conns, conn)
		c.mu.Unlock()
	}
	return conn, err
}

// sever cuts it, mend mends it.
func (c *cable) sever() {
	c.mu.Lock()
	c.cut = true
	conns := c.conns
	c.conns = nil
	c.mu.Unlock()
	for _, conn := range conns {
		_ = conn.Close()
	}
}

func (c *cable) mend() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = false
}

// logbook keeps what is logged.
type logbook struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// slowMember is a member that takes its time in each revoke: the others wait for it where their
// protocol makes them. It is in the group when it returns.
func (d *desk) slowMember(takes time.Duration, opts ...kgo.Opt) *kgo.Client {
	d.t.Helper()
	assigned := make(chan struct{}, 100)
	cl, err := kgo.NewClient(append(append(d.k.ClientOptions(),
		kgo.ConsumerGroup(deskGroup), kgo.ConsumeTopics(deskTopic), kgo.HeartbeatInterval(100*time.Millisecond), kgo.RebalanceTimeout(time.Minute), kgo.DisableAutoCommit(),
		kgo.OnPartitionsAssigned(func(context.Context, *kgo.Client, map[string][]int32) { assigned <- struct{}{} }),
		kgo.OnPartitionsRevoked(func(context.Context, *kgo.Client, map[string][]int32) {
			<-time.After(takes) // also where nothing of its own goes: it joins again behind it
		}),
	), opts...)...)
	require.NoError(d.t, err)
	d.t.Cleanup(cl.CloseAllowingRebalance)
	<-assigned
	return cl
}

// release lets functions go on that wait for it; at the end of a failed test as well.
type release struct {
	c   chan struct{}
	now func()
}

func newRelease(t *testing.T) *release {
	r := &release{c: make(chan struct{})}
	r.now = sync.OnceFunc(func() { close(r.c) })
	t.Cleanup(r.now)
	return r
}

// wait waits for it, or for the end of the context.
func (r *release) wait(ctx context.Context) error {
	select {
	case <-r.c:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// What slowMember speaks.
var (
	cooperative = kgo.Balancers(kgo.CooperativeStickyBalancer())
	sticky      = kgo.Balancers(kgo.StickyBalancer())
)
