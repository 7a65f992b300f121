package grouptest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// Member is a member of the group, which may run several times, one run after the other.
type Member struct {
	// Handle is its handle, to pause, seek and ask.
	Handle *Consumer
	// Run is its last run; nil before the first.
	Run *stream.Control
	// Took are the records that its function was given: by [Member.Works], or by the test's own.
	Took Deliveries
	// Wire is its way to the broker. Producers of its graphs have another one, unless they are
	// given this one's option.
	Wire *Wire

	// The test goroutine's.
	w       *World
	signal  context.CancelFunc // SIGTERM, for its last run
	dropped int64              // of earlier runs
	counted bool               // the last run is among them

	mu     sync.Mutex
	events []Event
}

// Event is what a member was told of its partitions, and when.
type Event struct {
	consumer.Event
	At time.Time
}

// Member makes a member with these settings besides the world's.
func (w *World) Member(opts ...settings.ConsumerOption) *Member { return w.MemberWith(opts) }

// MemberWith is [World.Member] with options of the handle. An OnRebalance among them takes the
// place of the member's own, which then hears of no events.
func (w *World) MemberWith(opts []settings.ConsumerOption, more ...consumer.Option) *Member {
	w.t.Helper()
	m := &Member{w: w, Wire: w.Wire(), signal: func() {}}
	w.members = append(w.members, m)
	note := func(k consumer.EventKind) func(context.Context, *consumer.Restricted, []consumer.TopicPartition) error {
		return func(_ context.Context, _ *consumer.Restricted, ps []consumer.TopicPartition) error {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.events = append(m.events, Event{consumer.Event{Kind: k, Partitions: ps}, time.Now()})
			return nil
		}
	}
	handler := consumer.Handler{Assigned: note(consumer.Assigned), Revoked: note(consumer.Revoked), Lost: note(consumer.Lost)}
	cs := w.Settings(m.Wire.Option()).With(opts...)
	m.Handle = w.handle(cs, append([]consumer.Option{consumer.OnRebalance(handler)}, more...)...)
	return m
}

// Start starts a graph of the member's.
func (m *Member) Start(g stream.Graph, opts ...stream.RunOption) {
	m.w.t.Helper()
	ctx, signal := context.WithCancel(context.Background())
	m.w.t.Cleanup(signal)
	m.Run, m.signal, m.counted = startIn(ctx, m.w.t, g, opts...), signal, false
}

// Works is a graph that does something with each message, nothing where do is nil, and commits. Its
// stage is named "work".
func (m *Member) Works(do func(context.Context, *Message) error, opts ...settings.CommitterOption) stream.Graph {
	return stream.TryMap(m.Handle.CommittableSource(), func(ctx context.Context, msg *Message) (envelope.Committable, error) {
		m.Took.Add(&msg.Record)
		if do == nil {
			return msg.Offset, nil
		}
		if err := do(ctx, msg); err != nil {
			return nil, err
		}
		return msg.Offset, nil
	}).Named("work").To(consumer.CommitterSink(settings.NewCommitter(opts...)))
}

// Runs reports whether a run of the member's is on.
func (m *Member) Runs() bool {
	if m == nil || m.Run == nil {
		return false
	}
	select {
	case <-m.Run.Done():
		return false
	default:
		return true
	}
}

// Drain ends the run by a drain, and wants it to end well.
func (m *Member) Drain() {
	m.w.t.Helper()
	m.keepDropped()
	m.w.Drain(m.Run)
}

// Signal ends the context of the run, as SIGTERM does in a program, and does not wait.
func (m *Member) Signal() { m.signal() }

// Terminate ends the run as SIGTERM does, wants that it was drained, and returns how long that has
// taken.
func (m *Member) Terminate() time.Duration {
	m.w.t.Helper()
	began := time.Now()
	m.keepDropped()
	m.signal()
	require.ErrorIs(m.w.t, m.w.Outcome(m.Run), stream.ErrDrained)
	return time.Since(began)
}

// Stop ends the run hard, and waits for its end.
func (m *Member) Stop() { Stop(m.Run) }

// Crash ends the run as the end of its process would: it is cut off, so that nothing of it reaches
// the broker any more, and is stopped. A run that is started after it needs a wire that is mended.
func (m *Member) Crash() {
	m.Wire.Cut()
	Stop(m.Run)
}

// Events returns what the member was told, of a kind.
func (m *Member) Events(k consumer.EventKind) (all []Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range m.events {
		if e.Kind == k {
			all = append(all, e)
		}
	}
	return all
}

// Has returns the partitions that the member has; none where it does not run.
func (m *Member) Has() (ids []int32) {
	ps, err := m.Handle.Assignment()
	if err != nil {
		return nil
	}
	for _, p := range ps {
		ids = append(ids, p.Partition)
	}
	return ids
}

// AwaitPartitions waits until the member has so many.
func (m *Member) AwaitPartitions(n int) []int32 {
	m.w.t.Helper()
	m.w.Until(fmt.Sprintf("the member has %d partitions", n), func() bool { return len(m.Has()) == n })
	return m.Has()
}

// Dropped returns how many records that were under way were given up in revokes and losses, in all
// runs so far. It fails the test where the last run has ended by itself, and its count with it.
func (m *Member) Dropped() int64 {
	m.w.t.Helper()
	if m.counted {
		return m.dropped
	}
	got, err := m.Handle.Metrics()
	require.NoError(m.w.t, err)
	return m.dropped + got.Revoked
}

// keepDropped keeps the count, which ends with the run.
func (m *Member) keepDropped() {
	if got, err := m.Handle.Metrics(); err == nil && !m.counted {
		m.dropped += got.Revoked
	}
	m.counted = true
}

// Share waits until the members share all partitions of the topic among them.
func (w *World) Share(members ...*Member) {
	w.t.Helper()
	w.Until("the members share the partitions", func() bool {
		var all []int32
		for _, m := range members {
			has := m.Has()
			if len(has) == 0 {
				return false
			}
			all = append(all, has...)
		}
		slices.Sort(all)
		return len(all) == w.Partitions && len(slices.Compact(all)) == w.Partitions
	})
}
