package consumer_test

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/producer"
	"github.com/vicuna-go/vicuna/serde"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

const (
	rollIn, rollOut = "in", "out"
	rollGroup       = "copy"
	rollPartitions  = 6
)

// roll is a topic that is written to all the time, members of a group that copy it, and a journal
// of what comes of it.
type roll struct {
	t       *testing.T
	k       *kafkatest.Broker
	journal *journal
	ordered bool // the copies keep the order
	more    []settings.ConsumerOption
	commits settings.Committer

	ctx  context.Context // of the writer
	quit context.CancelFunc
	done chan struct{}

	mu   sync.Mutex
	sent map[int32]int64

	members int // every other one recycles
}

func newRoll(t *testing.T, k *kafkatest.Broker, more ...settings.ConsumerOption) *roll {
	t.Helper()
	k.CreateTopic(t, rollIn, rollPartitions)
	k.CreateTopic(t, rollOut, rollPartitions)
	r := &roll{t: t, k: k, journal: newJournal(), more: more, done: make(chan struct{}), sent: map[int32]int64{}}
	r.journal.keep(t, k)
	r.ctx, r.quit = context.WithCancel(t.Context())
	return r
}

// rollPiece is what a record is split into.
type rollPiece struct {
	partition int32
	number    int64
	copy      int
	offset    envelope.Committable
}

func (p rollPiece) String() string { return fmt.Sprintf("%d/%d/%d", p.partition, p.number, p.copy) }

// wanted is the copies' Filter.
func (p rollPiece) wanted() bool { return (p.number+int64(p.copy))%5 != 0 }

// piecesOf is the copies' FlatMap: none to three.
func piecesOf(partition int32, number int64) iter.Seq[rollPiece] {
	return func(yield func(rollPiece) bool) {
		for i := range int(number % 4) {
			if !yield(rollPiece{partition: partition, number: number, copy: i}) {
				return
			}
		}
	}
}

// write begins to write records, some each few milliseconds, until stopWriting.
func (r *roll) write(each int, every time.Duration) {
	cl, err := kgo.NewClient(append(r.k.ClientOptions(), kgo.DefaultProduceTopic(rollIn), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0))...)
	require.NoError(r.t, err)
	r.t.Cleanup(r.stopWriting)
	go func() {
		defer close(r.done)
		defer cl.Close()
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			var recs []*kgo.Record
			r.mu.Lock()
			for p := range int32(rollPartitions) {
				for range each {
					recs = append(recs, &kgo.Record{Partition: p, Value: strconv.AppendInt(nil, r.sent[p], 10)})
					r.sent[p]++
				}
			}
			r.mu.Unlock()
			if err := cl.ProduceSync(context.WithoutCancel(r.ctx), recs...).FirstErr(); err != nil {
				r.t.Error("writing: ", err)
				return
			}
			select {
			case <-tick.C:
			case <-r.ctx.Done():
				return
			}
		}
	}()
}

func (r *roll) stopWriting() {
	r.quit()
	<-r.done
}

// rollMember is one member of the group, which may run several times.
type rollMember struct {
	r        *roll
	name     string
	handle   *consumer.Consumer[string, string]
	instance string
	wire     settings.Option // its dialer, where that is not the broker's
	ctl      *stream.Control
	dropped  int64
}

// quick are settings with which a group moves fast.
func quick() []settings.ConsumerOption {
	return []settings.ConsumerOption{
		settings.HeartbeatInterval(100 * time.Millisecond), settings.SessionTimeout(2 * time.Second), settings.FetchMaxWait(50 * time.Millisecond),
	}
}

func (r *roll) member(name string, more ...settings.ConsumerOption) *rollMember {
	r.t.Helper()
	opts := append(quick(), r.k.Bootstrap(), r.k.Dialer(), settings.Group(rollGroup), settings.ClientID(name), settings.Logger(slog.New(slog.DiscardHandler)))
	cs := settings.NewConsumer(serde.String(), serde.String(), append(opts, r.more...)...).With(more...)
	require.NoError(r.t, cs.Err())
	var handle []consumer.Option
	if r.members++; r.members%2 == 0 {
		handle = []consumer.Option{consumer.Recycle()}
	}
	return &rollMember{r: r, name: name, instance: cs.InstanceID(), handle: consumer.New(cs, consumer.Topics(rollIn), handle...)}
}

// start starts the member's copy.
func (m *rollMember) start() {
	m.r.t.Helper()
	ctl, err := m.graph().Start(m.r.t.Context())
	require.NoError(m.r.t, err)
	m.ctl = ctl
	m.r.t.Cleanup(func() { endRun(ctl) })
}

// endRun ends what a failed test has left.
func endRun(ctl *stream.Control) {
	ctl.Stop()
	<-ctl.Done()
}

func (m *rollMember) graph() stream.Graph {
	split := stream.FlatMap(m.handle.CommittableSource(), func(msg *consumer.CommittableMessage[string, string]) iter.Seq[rollPiece] {
		return func(yield func(rollPiece) bool) {
			number, _ := strconv.ParseInt(msg.Value, 10, 64)
			for p := range piecesOf(msg.Partition(), number) {
				p.offset = msg.Offset
				if !yield(p) {
					return
				}
			}
		}
	}).Filter(rollPiece.wanted)
	var envelopes stream.Source[envelope.Envelope[string, string, envelope.Committable]]
	if m.r.ordered {
		envelopes = stream.MapAsync(split, 16, m.unevenly)
	} else {
		envelopes = stream.MapAsyncUnordered(split, 16, m.unevenly)
	}
	wire := m.wire
	if wire == nil {
		wire = m.r.k.Dialer()
	}
	ps := settings.NewProducer(serde.String(), serde.String(), m.r.k.Bootstrap(), wire, settings.Compression(kgo.NoCompression()))
	return envelopes.To(producer.CommittableSink(ps, m.r.commits))
}

// unevenly takes much longer now and then, so that at any time there are results in each partition
// that have overtaken another.
func (m *rollMember) unevenly(ctx context.Context, p rollPiece) (envelope.Envelope[string, string, envelope.Committable], error) {
	takes := time.Duration(rand.IntN(8)) * 250 * time.Microsecond
	if rand.IntN(200) == 0 {
		takes = 50 * time.Millisecond
	}
	timer := time.NewTimer(takes)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	key := fmt.Sprint(p.partition, "-", p.number%3)
	return envelope.Single(*envelope.New(rollOut, key, p.String()), p.offset), nil
}

// drain ends the member's run as SIGTERM does.
func (m *rollMember) drain() {
	m.r.t.Helper()
	if got, err := m.handle.Metrics(); err == nil {
		m.dropped += got.Revoked
	}
	require.NoError(m.r.t, m.ctl.Drain(m.r.t.Context()))
}

// settled waits until the members share all partitions among them, each as the broker sees it and
// as they do.
func (r *roll) settled(members ...*rollMember) {
	r.t.Helper()
	r.await("the members to share the partitions", func() bool {
		var all []consumer.TopicPartition
		for _, m := range members {
			ps, err := m.handle.Assignment()
			if err != nil || len(ps) == 0 {
				return false
			}
			all = append(all, ps...)
		}
		slices.SortFunc(all, func(a, b consumer.TopicPartition) int { return int(a.Partition - b.Partition) })
		if len(all) != rollPartitions {
			return false
		}
		for i, p := range all {
			if int(p.Partition) != i {
				return false
			}
		}
		return true
	})
}

// progress waits until each partition has committed something more.
func (r *roll) progress() {
	r.t.Helper()
	r.journal.mu.Lock()
	seen := len(r.journal.commits)
	r.journal.mu.Unlock()
	r.await("commits in each partition", func() bool {
		r.journal.mu.Lock()
		defer r.journal.mu.Unlock()
		in := map[int32]bool{}
		for _, c := range r.journal.commits[seen:] {
			in[c.partition] = true
		}
		return len(in) == rollPartitions
	})
}

// copied waits until everything that was written is committed.
func (r *roll) copied() {
	r.t.Helper()
	r.await("everything to be committed", func() bool {
		g := r.k.Cluster().GroupInfo(rollGroup)
		if g == nil {
			return false
		}
		for p := range int32(rollPartitions) {
			if g.Commits[rollIn][p].Offset != r.sent[p] {
				return false
			}
		}
		return true
	})
}

func (r *roll) await(what string, ok func() bool) { awaitThat(r.t, what, ok) }

// awaitThat looks again and again.
func awaitThat(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("still waiting for %s", what)
		}
		<-tick.C
	}
}

// judge is what came of it.
func (r *roll) judge() verdict {
	v := r.journal.verdict(r.sent)
	r.t.Log(v)
	return v
}

// static returns the member's instance id.
func (m *rollMember) static() (string, bool) { return m.instance, m.instance != "" }
