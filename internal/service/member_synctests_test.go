//go:build synctests

package service_test

import (
	"context"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/producer"
	"github.com/vicuna-go/vicuna/serde"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// protocol is one of the ways in which a group divides its partitions.
type protocol struct {
	name   string
	opts   func(member int) []settings.ConsumerOption
	static bool // a member that has left keeps its partitions for a while
}

var protocols = []protocol{
	{name: "eager", opts: func(int) []settings.ConsumerOption {
		return []settings.ConsumerOption{settings.Protocol(settings.Eager)}
	}},
	{name: "cooperative", opts: func(int) []settings.ConsumerOption { return nil }},
	{name: "static", static: true, opts: func(i int) []settings.ConsumerOption {
		return []settings.ConsumerOption{settings.InstanceID("member-" + strconv.Itoa(i))}
	}},
	{name: "KIP-848", opts: func(int) []settings.ConsumerOption {
		return []settings.ConsumerOption{settings.Protocol(settings.ConsumerProtocol)}
	}},
}

// source is where a service's orders come from.
type source struct {
	name   string
	graph  func(m *member) stream.Graph
	handle []consumer.Option
}

var sources = []source{
	{name: "committable", graph: func(m *member) stream.Graph {
		return m.w.graph.build(m.dep, stream.Map(m.handle.CommittableSource(), orderOfMessage), m.committing())
	}},
	{name: "partitioned", graph: func(m *member) stream.Graph {
		return stream.Each(m.handle.CommittablePartitionedSource(), 0, func(_ consumer.TopicPartition, src stream.Source[*message]) stream.Graph {
			return m.w.graph.build(m.dep, stream.Map(src, orderOfMessage), m.committing())
		})
	}},
	{name: "at most once", graph: func(m *member) stream.Graph {
		return m.w.graph.build(m.dep, stream.Map(m.handle.AtMostOnceSource(100), orderOf), m.producing())
	}},
	{name: "plain", graph: func(m *member) stream.Graph {
		return m.w.graph.build(m.dep, stream.Map(m.handle.PlainSource(), orderOf), m.producing())
	}},
}

const (
	committable = iota
	partitioned
	atMostOnce
	plain
)

// member is one member of the group, which may run several times.
type member struct {
	w    *world
	i    int
	dep  *dependency
	last int64 // calls that were answered before its run

	client *producer.Client
	handle *consumer.Consumer[string, string]
	ctl    *stream.Control
	cancel context.CancelFunc // SIGTERM
}

func (w *world) member() *member {
	d := w.calls()
	d.down, d.failed = &w.down, new(sync.Map)
	m := &member{w: w, i: len(w.members), dep: &d}
	w.members = append(w.members, m)
	return m
}

// start starts the member as a process is started: with a handle and a client of its own.
func (m *member) start(opts ...stream.RunOption) {
	m.w.t.Helper()
	w := m.w
	own := append(w.protocol.opts(m.i), w.k.Bootstrap(), w.k.Dialer(), settings.Logger(slog.New(slog.DiscardHandler)),
		settings.Group(groupName), settings.ClientID("member-"+strconv.Itoa(m.i)),
		settings.HeartbeatInterval(100*time.Millisecond), settings.SessionTimeout(session), settings.FetchMaxWait(50*time.Millisecond), noMetrics)
	cs := settings.NewConsumer(serde.String(), serde.String(), own...).With(w.more...)
	require.NoError(w.t, cs.Err())
	handle := slices.Clone(w.source.handle)
	if w.graph.recycle {
		handle = append(handle, consumer.Recycle())
	}
	m.handle = consumer.New(cs, consumer.Topics(topicIn), handle...)
	client, err := producer.NewClient(w.producer())
	require.NoError(w.t, err)
	m.client = client
	m.last = m.dep.answered.Load()
	ctx, cancel := context.WithCancel(context.Background())
	m.ctl, err = w.source.graph(m).Start(ctx, opts...)
	require.NoError(w.t, err)
	m.cancel = cancel
	ctl := m.ctl
	w.t.Cleanup(func() {
		ctl.Stop()
		<-ctl.Done()
		cancel()
		_ = client.Close(context.Background())
	})
}

// runs reports whether the member has been started and has not ended.
func (m *member) runs() bool {
	select {
	case <-m.ctl.Done():
		return false
	default:
		return true
	}
}

// ended waits for the end of the run, and says how it was.
func (m *member) ended() error {
	m.w.t.Helper()
	select {
	case <-m.ctl.Done():
	case <-time.After(time.Minute):
		m.w.t.Fatalf("the run does not end: %+v", m.ctl.Snapshot())
	}
	m.cancel()
	require.NoError(m.w.t, m.client.Close(context.Background()))
	return m.ctl.Err()
}

// terminate ends the run as SIGTERM does, and says how long that takes.
func (m *member) terminate() time.Duration {
	m.w.t.Helper()
	began := time.Now()
	m.cancel()
	require.ErrorIs(m.w.t, m.ended(), stream.ErrDrained)
	return time.Since(began)
}

// noMetrics: nobody reads the client's own metrics, which each of the many members would gather and
// send.
var noMetrics = settings.ClientOptions(kgo.DisableClientMetrics())

func (w *world) producer() settings.Producer[string, string] {
	return settings.NewProducer(serde.String(), serde.String(), w.k.Bootstrap(), w.k.Dialer(), settings.Logger(slog.New(slog.DiscardHandler)), noMetrics)
}

// committing is the end of a graph that commits.
func (m *member) committing() stream.Sink[outputs] {
	return producer.CommittableSink(m.w.producer(), settings.NewCommitter(), producer.On(m.client))
}

// producing is the end of one that does not.
func (m *member) producing() stream.Sink[outputs] {
	return producer.FlexiFlow[envelope.Committable](m.w.producer(), producer.On(m.client)).
		To(stream.Ignore[envelope.Results[string, string, envelope.Committable]]())
}

// works waits until the member has called for some orders since it was started.
func (m *member) works(n int64) {
	m.w.t.Helper()
	m.w.await("the member to work", func() bool { return m.dep.answered.Load() >= m.last+n })
}

// assigned waits until the member has partitions, and says how long that has taken.
func (m *member) assigned() time.Duration {
	m.w.t.Helper()
	began := time.Now()
	m.w.await("partitions", func() bool {
		ps, err := m.handle.Assignment()
		return err == nil && len(ps) > 0
	})
	return time.Since(began)
}
