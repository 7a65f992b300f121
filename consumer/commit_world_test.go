package consumer_test

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
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
	commitMessage = *consumer.CommittableMessage[string, string]
	commitRecord  = *consumer.Record[string, string]
	commitHandle  = *consumer.Consumer[string, string]
)

// commitWorld is a topic with numbered records, a group, and every commit that the broker has seen.
type commitWorld struct {
	options []consumer.Option
	t       *testing.T
	k       *kafkatest.Broker
	topic   string
	group   string
	log     *commitLog
}

// newCommitWorld writes so many records into each partition of the topic in; their values are their
// offsets.
func newCommitWorld(t *testing.T, k *kafkatest.Broker, counts ...int) *commitWorld {
	t.Helper()
	w := &commitWorld{t: t, k: k, topic: "in", group: "readers", log: watchCommits(t, k, "in")}
	for p, n := range counts {
		w.produce(int32(p), 0, n)
	}
	return w
}

// produce writes the records of a partition with the numbers from up to end.
func (w *commitWorld) produce(p int32, from, end int) {
	w.t.Helper()
	recs := make([]*kgo.Record, 0, end-from)
	for i := from; i < end; i++ {
		recs = append(recs, kgo.StringRecord(strconv.Itoa(i)))
	}
	for batch := range slices.Chunk(recs, 50) {
		kafkatest.ProduceTo(w.t, w.k, w.topic, p, batch...)
	}
}

func (w *commitWorld) settings(opts ...settings.ConsumerOption) settings.Consumer[string, string] {
	w.t.Helper()
	cs := settings.NewConsumer(serde.String(), serde.String(),
		w.k.Bootstrap(), w.k.Dialer(), settings.Group(w.group), settings.FetchMaxWait(50*time.Millisecond),
		settings.HeartbeatInterval(100*time.Millisecond), settings.Logger(slog.New(slog.DiscardHandler))).With(opts...)
	require.NoError(w.t, cs.Err())
	return cs
}

// consumer reads on and on; toEnd reads what is there.
func (w *commitWorld) consumer(opts ...settings.ConsumerOption) commitHandle {
	w.t.Helper()
	return consumer.New(w.settings(opts...), consumer.Topics(w.topic), w.options...)
}

func (w *commitWorld) toEnd(opts ...settings.ConsumerOption) commitHandle {
	w.t.Helper()
	return consumer.New(w.settings(opts...), consumer.Topics(w.topic), append(w.options, consumer.ToEnd())...)
}

func (w *commitWorld) producer(opts ...settings.ProducerOption) settings.Producer[string, string] {
	w.t.Helper()
	ps := settings.NewProducer(serde.String(), serde.String(), append([]settings.ProducerOption{
		w.k.Bootstrap(), w.k.Dialer(), settings.Logger(slog.New(slog.DiscardHandler)),
	}, opts...)...)
	require.NoError(w.t, ps.Err())
	return ps
}

func (w *commitWorld) committed(p int32) int64 {
	w.t.Helper()
	return kafkatest.CommittedOffset(w.t, w.k, w.group, w.topic, p)
}

// rest is what a new member of the group gets: the values of each partition. It commits nothing.
func (w *commitWorld) rest() map[int32][]int {
	w.t.Helper()
	got := map[int32][]int{}
	require.NoError(w.t, w.toEnd().PlainSource().To(stream.ForEach(func(_ context.Context, r commitRecord) error {
		n, err := strconv.Atoi(r.Value)
		got[r.Partition()] = append(got[r.Partition()], n)
		return err
	})).Run(w.t.Context()))
	return got
}

func (w *commitWorld) start(g stream.Graph, opts ...stream.RunOption) *stream.Control {
	w.t.Helper()
	ctl, err := g.Start(w.t.Context(), opts...)
	require.NoError(w.t, err)
	w.t.Cleanup(func() {
		ctl.Stop()
		<-ctl.Done()
	})
	return ctl
}

// await waits for the channel, or fails.
func (w *commitWorld) await(what string, c <-chan struct{}) {
	w.t.Helper()
	select {
	case <-c:
	case <-time.After(20 * time.Second):
		w.t.Fatal("still waiting: " + what)
	}
}

// awaitFinished waits until everything that there is to read was finished. That a record was seen
// in a stage before a committing one does not say so: a drain gives back what has begun nowhere.
func (w *commitWorld) awaitFinished(c commitHandle) {
	w.t.Helper()
	for {
		lags, err := c.Lag(w.t.Context())
		require.NoError(w.t, err)
		if lags.Behind() == 0 {
			return
		}
	}
}

// awaitSent waits until the producing stage of a run has so many records without an outcome.
func (w *commitWorld) awaitSent(ctl *stream.Control, n int) {
	w.t.Helper()
	for {
		stages := ctl.Snapshot().Stages
		if stages[len(stages)-1].Buffered == n {
			return
		}
		runtime.Gosched()
	}
}

// crash ends a run as the end of its process would: nothing of it reaches the broker any more.
func (w *commitWorld) crash(ctl *stream.Control) {
	w.t.Helper()
	crash := w.k.Refuse()
	ctl.Stop()
	<-ctl.Done()
	crash()
}

// offsetOf is what Committers take.
func offsetOf(m commitMessage) envelope.Committable { return m.Offset }

// offsets is a stream of messages as one of offsets.
func offsets(src stream.Source[commitMessage]) stream.Source[envelope.Committable] {
	return stream.Map(src, offsetOf)
}

// atOffset tells of the record with an offset, once.
type atOffset struct {
	offset int64
	seen   chan struct{}
	once   sync.Once
}

func newAtOffset(o int64) *atOffset { return &atOffset{offset: o, seen: make(chan struct{})} }

func (a *atOffset) look(m commitMessage) commitMessage {
	if m.Record.Offset() == a.offset {
		a.once.Do(func() { close(a.seen) })
	}
	return m
}

// commitSeen is an offset that a broker was asked to commit.
type commitSeen struct {
	partition int32
	offset    int64
	metadata  string
	group     string
	member    string
	request   int
	at        time.Time
}

// commitLog is every commit that the brokers have seen, whatever they answered.
type commitLog struct {
	mu      sync.Mutex
	seen    []commitSeen
	changed chan struct{}
	known   map[*kmsg.OffsetCommitRequest]bool // a request is looked at once for each fault
	count   int
}

func watchCommits(t *testing.T, k *kafkatest.Broker, topic string) *commitLog {
	t.Helper()
	l := &commitLog{changed: make(chan struct{}), known: map[*kmsg.OffsetCommitRequest]bool{}}
	id := k.Cluster().TopicInfo(topic).TopicID
	k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Count: -1, Observe: true, When: func(r kmsg.Request) bool {
		req := r.(*kmsg.OffsetCommitRequest)
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.known[req] {
			return true
		}
		l.known[req] = true
		l.count++
		for _, rt := range req.Topics {
			if rt.Topic != topic && rt.TopicID != id {
				continue
			}
			for _, rp := range rt.Partitions {
				s := commitSeen{rp.Partition, rp.Offset, "", req.Group, req.MemberID, l.count, time.Now()}
				if rp.Metadata != nil {
					s.metadata = *rp.Metadata
				}
				l.seen = append(l.seen, s)
			}
		}
		close(l.changed)
		l.changed = make(chan struct{})
		return true
	}})
	return l
}

func (l *commitLog) requests() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.count
}

// of are the commits of a partition, in order.
func (l *commitLog) of(p int32) (cs []commitSeen) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.seen {
		if c.partition == p {
			cs = append(cs, c)
		}
	}
	return cs
}

// await waits until a commit of at least this offset was seen.
func (l *commitLog) await(t *testing.T, p int32, offset int64) {
	t.Helper()
	l.awaitOne(t, offset, func(c commitSeen) bool { return c.partition == p })
}

// awaitAny waits until an offset was seen, of whichever partition.
func (l *commitLog) awaitAny(t *testing.T, offset int64) int32 {
	t.Helper()
	return l.awaitOne(t, offset, func(commitSeen) bool { return true }).partition
}

func (l *commitLog) awaitOne(t *testing.T, offset int64, of func(commitSeen) bool) commitSeen {
	t.Helper()
	patience := time.After(20 * time.Second)
	for {
		l.mu.Lock()
		changed := l.changed
		i := slices.IndexFunc(l.seen, func(c commitSeen) bool { return c.offset >= offset && of(c) })
		if i >= 0 {
			found := l.seen[i]
			l.mu.Unlock()
			return found
		}
		l.mu.Unlock()
		select {
		case <-changed:
		case <-patience:
			t.Fatalf("no commit at %d; seen: %v", offset, l.seen)
		}
	}
}

// neverBack fails where a group's offset of a partition was set back.
func (l *commitLog) neverBack(t *testing.T) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	last := map[string]int64{}
	for _, c := range l.seen {
		key := fmt.Sprint(c.group, c.partition)
		require.GreaterOrEqual(t, c.offset, last[key], "partition %d was set back", c.partition)
		last[key] = c.offset
	}
}

// slowly is a committer's interval that no test waits for.
const slowly = time.Hour

// quickly are a committer's settings for those who wait for commits.
func quickly(opts ...settings.CommitterOption) settings.Committer {
	return settings.NewCommitter(append([]settings.CommitterOption{settings.MaxInterval(10 * time.Millisecond)}, opts...)...)
}

func onlyAtTheEnd(opts ...settings.CommitterOption) settings.Committer {
	return settings.NewCommitter(append([]settings.CommitterOption{settings.MaxBatch(1 << 30), settings.MaxInterval(slowly)}, opts...)...)
}
