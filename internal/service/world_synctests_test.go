//go:build synctests

package service_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/settings"
)

const (
	groupName = "service"
	// waiting is how many orders at most wait to be committed: more than the members have in work.
	waiting = 3000
	// session is how long a member may be silent.
	session = 5 * time.Second
	// patience is how long anything is waited for. At most once commits ahead of the work, so that
	// more orders are written than are worked on: with slow calls that is the work of two minutes.
	patience = 5 * time.Minute
	// every is how often orders are written, and atMost how many of each partition then: some more
	// than three members work on.
	every  = 20 * time.Millisecond
	atMost = 14
)

// world is a topic of orders that is written to all the time, and the members of a group that work
// on them.
type world struct {
	t *testing.T
	k *kafkatest.Broker

	protocol protocol
	source   source
	graph    graph
	calls    func() dependency
	more     []settings.ConsumerOption
	down     atomic.Bool // the dependency of all members

	members []*member

	quit context.CancelFunc // of the writer
	done chan struct{}
	sent [partitions]int64 // of the writer, until it has stopped
}

// inWorld runs a test in a world.
func inWorld(t *testing.T, p protocol, s source, g graph, calls func() dependency, test func(w *world)) {
	t.Helper()
	kafkatest.Virtual(t, func(t *testing.T, k *kafkatest.Broker) {
		test(&world{t: t, k: k, protocol: p, source: s, graph: g, calls: calls, quit: func() {}})
	}, kafkatest.InMemory(), kafkatest.Topics(partitions, topicIn, topicA), kafkatest.Topics(3, topicB, topicDead),
		kafkatest.BrokerConfig(map[string]string{"group.consumer.heartbeat.interval.ms": "100", "group.consumer.session.timeout.ms": "5000"}))
}

// write writes orders, as many as wait to be worked on, until stopWriting.
func (w *world) write() {
	cl, err := kgo.NewClient(append(w.k.ClientOptions(), kgo.DefaultProduceTopic(topicIn), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0))...)
	require.NoError(w.t, err)
	ctx, quit := context.WithCancel(context.Background())
	w.quit, w.done = quit, make(chan struct{})
	w.t.Cleanup(w.stopWriting)
	go func() {
		defer close(w.done)
		defer cl.Close()
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			if err := cl.ProduceSync(context.Background(), w.next()...).FirstErr(); err != nil {
				w.t.Error("writing: ", err)
				return
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	}()
}

// next are the orders to be written now.
func (w *world) next() (recs []*kgo.Record) {
	committed := w.committed()
	for p := range w.sent {
		for n := 0; n < atMost && w.sent[p]-committed[p] < waiting/partitions; n++ {
			recs = append(recs, w.order(p))
		}
	}
	return recs
}

// order is the next order of a partition.
func (w *world) order(p int) *kgo.Record {
	rec := &kgo.Record{Partition: int32(p), Key: []byte(keyOf(int32(p), w.sent[p], w.graph.hot)), Value: []byte("order")}
	w.sent[p]++
	return rec
}

// fill writes so many orders at once, spread over the partitions.
func (w *world) fill(n int) {
	w.t.Helper()
	for p := range partitions {
		var recs []*kgo.Record
		for range n / partitions {
			recs = append(recs, w.order(p))
		}
		kafkatest.ProduceTo(w.t, w.k, topicIn, int32(p), recs...)
	}
}

func (w *world) stopWriting() {
	w.quit()
	if w.done != nil {
		<-w.done
	}
}

// committed are the group's offsets.
func (w *world) committed() (offsets [partitions]int64) {
	if g := w.k.Cluster().GroupInfo(groupName); g != nil {
		for p := range offsets {
			offsets[p] = g.Commits[topicIn][int32(p)].Offset
		}
	}
	return offsets
}

// worked waits until everything is worked on and committed.
func (w *world) worked() {
	w.t.Helper()
	w.stopWriting()
	// At most once commits ahead of the work: what is committed is handed out when the answer has
	// come.
	idle := 0
	w.await("everything to be committed and worked on", func() bool {
		if idle++; w.committed() != w.sent || w.outstanding() > 0 {
			idle = 0
		}
		return idle == 2
	})
}

// outstanding is how many orders the members that run have in hand.
func (w *world) outstanding() (n int) {
	for _, m := range w.members {
		if m.ctl == nil || !m.runs() {
			continue
		}
		if got, err := m.handle.Metrics(); err == nil {
			n += got.Outstanding
		}
	}
	return n
}

// await looks again and again.
func (w *world) await(what string, so func() bool) {
	w.t.Helper()
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		if time.Now().After(deadline) {
			for _, m := range w.members {
				if m.ctl != nil {
					w.t.Logf("member %d: %+v", m.i, m.ctl.Snapshot())
				}
			}
			w.t.Fatalf("still waiting for %s; committed %v", what, w.committed())
		}
		<-tick.C
	}
}

// pass lets time pass.
func pass(d time.Duration) {
	if d > 0 {
		<-time.After(d)
	}
}
