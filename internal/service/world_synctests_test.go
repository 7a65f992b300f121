//go:build synctests

package service_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/settings"
)

const (
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
	*grouptest.World
	t *testing.T

	protocol grouptest.Protocol
	source   source
	graph    graph
	calls    func() dependency
	more     []settings.ConsumerOption
	down     atomic.Bool // the dependency of all members

	members     []*member
	stopWriting func()
}

// inWorld runs a test in a world.
func inWorld(t *testing.T, p grouptest.Protocol, s source, g graph, calls func() dependency, test func(w *world)) {
	t.Helper()
	grouptest.Run(t, partitions, func(t *testing.T, w *grouptest.World) {
		test(&world{World: w, t: t, protocol: p, source: s, graph: g, calls: calls, stopWriting: func() {}})
	}, grouptest.Session(session), grouptest.Patience(patience),
		grouptest.Broker(kafkatest.Topics(partitions, topicA), kafkatest.Topics(3, topicB, topicDead)))
}

// write writes orders, as many as wait to be worked on, until stopWriting.
func (w *world) write() { w.stopWriting = w.Writing(every, w.next) }

// next are the orders to be written now.
func (w *world) next() (recs []*kgo.Record) {
	sent, committed := w.Sent(), w.committed()
	for p := range int32(partitions) {
		for n := 0; n < atMost && sent[p]+int64(n)-committed[p] < waiting/partitions; n++ {
			recs = append(recs, w.order(p))
		}
	}
	return recs
}

// order is the next order of a partition.
func (w *world) order(p int32) *kgo.Record {
	return &kgo.Record{Partition: p, Key: []byte(keyOf(p, w.Next(p), w.graph.hot)), Value: []byte("order")}
}

// fill writes so many orders at once, spread over the partitions.
func (w *world) fill(n int) {
	w.t.Helper()
	for p := range int32(partitions) {
		var recs []*kgo.Record
		for range n / partitions {
			recs = append(recs, w.order(p))
		}
		kafkatest.ProduceTo(w.t, w.Broker, w.Topic, p, recs...)
	}
}

// committed are the group's offsets.
func (w *world) committed() map[int32]int64 {
	offsets := map[int32]int64{}
	for p := range int32(partitions) {
		offsets[p] = max(0, w.Committed(p))
	}
	return offsets
}

// worked waits until everything is worked on and committed.
func (w *world) worked() {
	w.t.Helper()
	w.stopWriting()
	sent := w.Sent()
	// At most once commits ahead of the work: what is committed is handed out when the answer has
	// come.
	idle := 0
	w.Until("everything is committed and worked on", func() bool {
		if idle++; !sameOffsets(w.committed(), sent) || w.outstanding() > 0 {
			idle = 0
		}
		return idle == 2
	})
}

// sameOffsets compares offsets, of which those of partitions that are not named are 0.
func sameOffsets(a, b map[int32]int64) bool {
	for p := range int32(partitions) {
		if a[p] != b[p] {
			return false
		}
	}
	return true
}

// outstanding is how many orders the members that run have in hand.
func (w *world) outstanding() (n int) {
	for _, m := range w.members {
		if !m.Runs() {
			continue
		}
		if got, err := m.Handle.Metrics(); err == nil {
			n += got.Outstanding
		}
	}
	return n
}

// sum adds up offsets.
func sum(offsets map[int32]int64) (n int64) {
	for _, o := range offsets {
		n += o
	}
	return n
}
