//go:build synctests

package service_test

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/producer"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

var protocols = grouptest.Protocols

// source is where a service's orders come from.
type source struct {
	name   string
	graph  func(m *member) stream.Graph
	handle []consumer.Option
}

var sources = []source{
	{name: "committable", graph: func(m *member) stream.Graph {
		return m.w.graph.build(m.dep, stream.Map(m.Handle.CommittableSource(), orderOfMessage), m.committing())
	}},
	{name: "partitioned", graph: func(m *member) stream.Graph {
		return stream.Each(m.Handle.CommittablePartitionedSource(), 0, func(_ consumer.TopicPartition, src stream.Source[*message]) stream.Graph {
			return m.w.graph.build(m.dep, stream.Map(src, orderOfMessage), m.committing())
		})
	}},
	{name: "at most once", graph: func(m *member) stream.Graph {
		return m.w.graph.build(m.dep, stream.Map(m.Handle.AtMostOnceSource(100), orderOf), m.producing())
	}},
	{name: "plain", graph: func(m *member) stream.Graph {
		return m.w.graph.build(m.dep, stream.Map(m.Handle.PlainSource(), orderOf), m.producing())
	}},
}

const (
	committable = iota
	partitioned
	atMostOnce
	plain
)

// member is one member of the group, which may run several times: each time as a process that is
// started, with a handle and a client of its own.
type member struct {
	*grouptest.Member // of its last run; nil before the first
	w                 *world
	i                 int
	dep               *dependency
	last              int64 // calls that were answered before its run
	client            *producer.Client
}

func (w *world) member() *member {
	d := w.calls()
	d.down, d.failed = &w.down, new(sync.Map)
	m := &member{w: w, i: len(w.members), dep: &d}
	w.members = append(w.members, m)
	return m
}

// start starts the member.
func (m *member) start(opts ...stream.RunOption) {
	w := m.w
	w.t.Helper()
	handle := slices.Clone(w.source.handle)
	if w.graph.recycle {
		handle = append(handle, consumer.Recycle())
	}
	own := w.protocol.Member(m.i, settings.ClientID("member-"+strconv.Itoa(m.i)))
	m.Member = w.MemberWith(append(own, w.more...), handle...)
	client, err := producer.NewClient(w.Producer())
	require.NoError(w.t, err)
	w.t.Cleanup(func() { _ = client.Close(context.Background()) })
	m.client = client
	m.last = m.dep.answered.Load()
	m.Start(w.source.graph(m), opts...)
}

// runs reports whether the member has been started and has not ended.
func (m *member) runs() bool { return m.Member != nil && m.Runs() }

// ended waits for the end of the run, and says how it was.
func (m *member) ended() error {
	m.w.t.Helper()
	err := m.w.Outcome(m.Run)
	m.Signal()
	require.NoError(m.w.t, m.client.Close(context.Background()))
	return err
}

// terminate ends the run as SIGTERM does, and says how long that takes.
func (m *member) terminate() time.Duration {
	m.w.t.Helper()
	began := time.Now()
	m.Signal()
	require.ErrorIs(m.w.t, m.ended(), stream.ErrDrained)
	return time.Since(began)
}

// committing is the end of a graph that commits.
func (m *member) committing() stream.Sink[outputs] {
	return producer.CommittableSink(m.w.Producer(), settings.NewCommitter(), producer.On(m.client))
}

// producing is the end of one that does not.
func (m *member) producing() stream.Sink[outputs] {
	return producer.FlexiFlow[envelope.Committable](m.w.Producer(), producer.On(m.client)).
		To(stream.Ignore[envelope.Results[string, string, envelope.Committable]]())
}

// works waits until the member has called for some orders since it was started.
func (m *member) works(n int64) {
	m.w.t.Helper()
	m.w.Until("the member works", func() bool { return m.dep.answered.Load() >= m.last+n })
}

// assigned waits until the member has partitions, and says how long that has taken.
func (m *member) assigned() time.Duration {
	m.w.t.Helper()
	return m.w.Until("the member has partitions", func() bool { return len(m.Has()) > 0 })
}
