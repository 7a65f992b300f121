package consumer_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/serde"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

type (
	strRecord  = consumer.Record[string, string]
	strMessage = consumer.CommittableMessage[string, string]
	strSub     = stream.Sub[consumer.TopicPartition, *strRecord]
)

// readGroup is the group of all consumers here that have one.
const readGroup = "readers"

// readerOf makes settings of a member of the group; an own logger among the options replaces the
// silent one.
func readerOf(k *kafkatest.Broker, opts ...settings.ConsumerOption) settings.Consumer[string, string] {
	return looseReader(k, append([]settings.ConsumerOption{settings.Group(readGroup), settings.HeartbeatInterval(readerHeartbeats)}, opts...)...)
}

// looseReader makes settings without a group. No test reads the client's own metrics, so none are
// gathered and sent.
func looseReader(k *kafkatest.Broker, opts ...settings.ConsumerOption) settings.Consumer[string, string] {
	quiet := settings.Logger(slog.New(slog.DiscardHandler))
	return settings.NewConsumer(serde.String(), serde.String(), k.Bootstrap(), k.Dialer(), quiet,
		settings.ClientOptions(kgo.DisableClientMetrics())).With(opts...)
}

// at names a partition of the topic that most tests read.
func at(p int32) consumer.TopicPartition {
	return consumer.TopicPartition{Topic: "in", Partition: p}
}

// ats names the first n.
func ats(n int) (ps []consumer.TopicPartition) {
	for p := range n {
		ps = append(ps, at(int32(p)))
	}
	return ps
}

// numberedFrom are the values partition/number from one number on.
func numberedFrom(p int32, from, n int) (vs []string) {
	for i := range n {
		vs = append(vs, fmt.Sprintf("%d/%d", p, from+i))
	}
	return vs
}

// fillPartitions writes n numbered records to each partition of the topic, each partition's in one
// batch; from is the first number.
func fillPartitions(t testing.TB, k *kafkatest.Broker, topic string, partitions, from, n int) {
	t.Helper()
	for p := range int32(partitions) {
		recs := make([]*kgo.Record, n)
		for i, v := range numberedFrom(p, from, n) {
			recs[i] = kgo.StringRecord(v)
		}
		if n > 0 {
			kafkatest.ProduceTo(t, k, topic, p, recs...)
		}
	}
}

// gathered keeps the values that have come, by partition.
type gathered struct {
	mu   sync.Mutex
	by   map[int32][]string
	n    int
	more chan struct{} // closed and made anew when something has come
}

func newGathered() *gathered {
	return &gathered{by: map[int32][]string{}, more: make(chan struct{})}
}

func (g *gathered) add(r *strRecord) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.by[r.Partition()] = append(g.by[r.Partition()], r.Value)
	g.n++
	close(g.more)
	g.more = make(chan struct{})
}

func (g *gathered) count() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.n
}

func (g *gathered) of(p int32) []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]string(nil), g.by[p]...)
}

// sink gathers what comes.
func (g *gathered) sink() stream.Sink[*strRecord] {
	return stream.ForEach(func(_ context.Context, r *strRecord) error {
		g.add(r)
		return nil
	})
}

// messages is sink for records with offsets, which it commits.
func (g *gathered) messages() stream.Sink[*strMessage] {
	return takeMessage(func(_ context.Context, r *strRecord) error {
		g.add(r)
		return nil
	})
}

// requireWhole says that each of the first partitions has given n numbered records, in order and
// once.
func (g *gathered) requireWhole(t testing.TB, partitions, n int) {
	t.Helper()
	for p := range int32(partitions) {
		require.Equal(t, numberedFrom(p, 0, n), g.of(p), "partition %d", p)
	}
}

// patienceOf is how long a test waits for what has to come: in a bubble that is a time that costs
// nothing.
func patienceOf(testing.TB) <-chan time.Time { return time.After(30 * time.Second) }

// begun starts a graph, which is stopped when the test is over.
func begun(t testing.TB, g stream.Graph, opts ...stream.RunOption) *stream.Control {
	t.Helper()
	ctl, err := g.Start(context.Background(), opts...)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctl.Stop()
		<-ctl.Done()
	})
	return ctl
}

// outcome waits for the end of a run.
func outcome(t testing.TB, ctl *stream.Control) error {
	t.Helper()
	select {
	case <-ctl.Done():
		return ctl.Err()
	case <-patienceOf(t):
		t.Fatalf("the run does not end: %+v", ctl.Snapshot())
		return nil
	}
}

// drainedAll drains a run, which has to end well.
func drainedAll(t testing.TB, ctl *stream.Control) {
	t.Helper()
	require.NoError(t, ctl.Drain(context.Background()))
}

// readerLog keeps what is logged.
type readerLog struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *readerLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *readerLog) count(what string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), what)
}

func (l *readerLog) option() settings.Option {
	return settings.Logger(slog.New(slog.NewTextHandler(l, nil)))
}
