package proof_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/producer"
	"github.com/vicuna-go/vicuna/serde"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

const (
	in, out    = "in", "out"
	partitions = 4
	group      = "copy"
)

// world is a topic with numbered records, what a copy has to make of them, and what it has made.
type world struct {
	t *testing.T
	k *kafkatest.Broker
	n int // records of each partition

	// The copies wait here for the middle: so many calls of their functions.
	calls  atomic.Int64
	middle chan struct{}
	failed atomic.Bool

	// what a member's MapAsync calls; slowly
	function func(context.Context, piece) (*envelope.Record[string, string], error)
}

func newWorld(t *testing.T, k *kafkatest.Broker, n int) *world {
	t.Helper()
	w := &world{t: t, k: k, n: n, middle: make(chan struct{})}
	w.function = w.slowly
	for p := range int32(partitions) {
		recs := make([]*kgo.Record, n)
		for i := range recs {
			recs[i] = kgo.StringRecord(strconv.Itoa(i))
		}
		// small ones, so that the partitions' records mix
		for batch := range slices.Chunk(recs, 50) {
			kafkatest.ProduceTo(t, k, in, p, batch...)
		}
	}
	return w
}

// piece is what a record is split into.
type piece struct {
	partition    int32
	offset       int64
	number, copy int
}

func (p piece) String() string { return fmt.Sprintf("%d/%d/%d", p.partition, p.number, p.copy) }

// pieces is what the copies' FlatMap makes of a record: none to three.
func pieces(rec *kgo.Record) iter.Seq[piece] {
	return func(yield func(piece) bool) {
		number, _ := strconv.Atoi(string(rec.Value))
		for i := range number % 4 {
			if !yield(piece{rec.Partition, rec.Offset, number, i}) {
				return
			}
		}
	}
}

// wanted is the copies' Filter.
func wanted(p piece) bool { return (p.number+p.copy)%5 != 0 }

// unevenly is what the copies' MapAsync calls: it takes from no time to some milliseconds, so that
// results overtake each other.
func (w *world) unevenly(ctx context.Context, p piece) (*envelope.Record[string, string], error) {
	return w.call(ctx, p, time.Duration(rand.IntN(8))*250*time.Microsecond)
}

// slowly takes much longer now and then, so that at any time there are results in each partition
// that have overtaken another.
func (w *world) slowly(ctx context.Context, p piece) (*envelope.Record[string, string], error) {
	if rand.IntN(100) == 0 {
		return w.call(ctx, p, 100*time.Millisecond)
	}
	return w.unevenly(ctx, p)
}

func (w *world) call(ctx context.Context, p piece, takes time.Duration) (*envelope.Record[string, string], error) {
	if w.calls.Add(1) == int64(w.n) { // some hundreds of records of each partition
		close(w.middle)
	}
	return copyOf(ctx, p, takes)
}

func copyOf(ctx context.Context, p piece, takes time.Duration) (*envelope.Record[string, string], error) {
	if takes > 0 {
		select {
		case <-time.After(takes):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	return envelope.New(out, strconv.Itoa(p.number), p.String()), nil
}

func (w *world) settings() settings.Producer[string, string] {
	ps := settings.NewProducer(serde.String(), serde.String(), w.k.Bootstrap(), w.k.Dialer())
	require.NoError(w.t, ps.Err())
	return ps
}

// consumer gives the options of a client that reads the topic in small portions, so that partitions
// fill up and are paused.
func (w *world) consumer(more ...kgo.Opt) []kgo.Opt {
	return append(append(w.k.ClientOptions(),
		kgo.ConsumerGroup(group), kgo.ConsumeTopics(in), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.HeartbeatInterval(100*time.Millisecond), kgo.SessionTimeout(time.Second), kgo.FetchMaxWait(100*time.Millisecond),
		kgo.FetchMaxPartitionBytes(1<<10),
	), more...)
}

// copies are the two graphs of a copy: to a sink, and through a flow.
var copies = []func(w *world, src stream.Source[*message]) stream.Graph{
	func(w *world, src stream.Source[*message]) stream.Graph {
		return w.transformed(src).To(producer.PlainSink(w.settings()))
	},
	func(w *world, src stream.Source[*message]) stream.Graph {
		envelopes := stream.Map(w.transformed(src), func(rec *envelope.Record[string, string]) envelope.Envelope[string, string, string] {
			return envelope.Single(*rec, rec.Value)
		})
		return stream.Via(envelopes, producer.FlexiFlow[string](w.settings())).To(stream.ForEach(
			func(_ context.Context, r envelope.Results[string, string, string]) error { return r.Failed() }))
	},
}

func (w *world) transformed(src stream.Source[*message]) stream.Source[*envelope.Record[string, string]] {
	split := stream.FlatMap(src, func(m *message) iter.Seq[piece] { return pieces(m.Record) })
	return stream.MapAsyncUnordered(split.Filter(wanted), 16, w.function)
}

// expected is what has to be in the output, by value, with the record that it comes from.
func (w *world) expected() map[string]piece {
	all := map[string]piece{}
	for p := range int32(partitions) {
		for i := range w.n {
			for piece := range pieces(&kgo.Record{Value: []byte(strconv.Itoa(i)), Partition: p, Offset: int64(i)}) {
				if wanted(piece) {
					all[piece.String()] = piece
				}
			}
		}
	}
	return all
}

// written counts what is in the output now, by value; of transactions, what is committed.
func (w *world) written() map[string]int {
	counts := map[string]int{}
	for _, rec := range kafkatest.ReadAll(w.t, w.k, out) {
		counts[string(rec.Value)]++
	}
	return counts
}

// committed are the group's offsets.
func (w *world) committed() map[int32]int64 {
	cl, err := kgo.NewClient(w.k.ClientOptions()...)
	require.NoError(w.t, err)
	defer cl.Close()
	offsets := map[int32]int64{}
	resp, err := kadm.NewClient(cl).FetchOffsets(w.t.Context(), group)
	if errors.Is(err, kerr.GroupIDNotFound) {
		return offsets
	}
	require.NoError(w.t, err)
	resp.Each(func(o kadm.OffsetResponse) {
		require.NoError(w.t, o.Err)
		if o.Topic == in && o.At >= 0 {
			offsets[o.Partition] = o.At
		}
	})
	return offsets
}

// finding is what a look at the topics shows.
type finding struct {
	looks int // while the copy ran
	// pieces that were missing, at some look, though their record's offset was committed
	early     int
	lost      int // pieces that are missing in the end
	doubled   int // pieces that are there more than once, counted as often as they are too many
	committed map[int32]int64
}

func (f finding) String() string {
	return fmt.Sprintf("%d looks, early %d, lost %d, doubled %d, committed %v", f.looks, f.early, f.lost, f.doubled, f.committed)
}

// quiet is how long nothing may change before a copy counts as being at rest: longer than a crashed
// member's session.
const quiet = 3 * time.Second

// watch looks at the topics again and again until everything is copied and committed, or nothing
// changes any more for so long.
func (w *world) watch(f *finding, quiet time.Duration) {
	expected := w.expected()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var before string
	changed := time.Now()
	for {
		w.look(f, expected)
		if f.lost == 0 && w.whole(f.committed) {
			return
		}
		if now := fmt.Sprint(f.committed, f.lost, f.doubled); now != before {
			before, changed = now, time.Now()
		}
		if time.Since(changed) > quiet {
			return
		}
		<-tick.C
	}
}

// look counts what is there now. Committed offsets are read first: what they cover has to be there
// already. It need not be visible: of two sessions, one's committed records may stand behind the
// other's open transaction.
func (w *world) look(f *finding, expected map[string]piece) {
	f.looks++
	f.committed = w.committed()
	logged := map[string]bool{}
	for _, rec := range kafkatest.ReadAllUncommitted(w.t, w.k, out) {
		logged[string(rec.Value)] = true
	}
	counts := w.written()
	early := 0
	f.lost, f.doubled = 0, 0
	for value, p := range expected {
		if counts[value] == 0 {
			f.lost++
		} else {
			f.doubled += counts[value] - 1
		}
		if !logged[value] && p.offset < f.committed[p.partition] {
			early++
		}
	}
	f.early = max(f.early, early)
}

// whole reports whether every record is committed.
func (w *world) whole(committed map[int32]int64) bool {
	for p := range int32(partitions) {
		if committed[p] != w.end(p) {
			return false
		}
	}
	return true
}

func (w *world) end(p int32) int64 { return w.k.Cluster().PartitionInfo(in, p).HighWatermark }

// drain ends a copy as SIGTERM does.
func (w *world) drain(ctls ...*stream.Control) {
	for _, ctl := range ctls {
		require.NoError(w.t, ctl.Drain(w.t.Context()))
	}
}

func (w *world) startCopy(i int, m *member) *stream.Control {
	w.t.Helper()
	ctl, err := copies[i](w, m.source()).Start(w.t.Context())
	require.NoError(w.t, err)
	return ctl
}

// await waits for the channel, or fails.
func (w *world) await(what string, c <-chan struct{}) {
	w.t.Helper()
	select {
	case <-c:
	case <-time.After(30 * time.Second):
		w.t.Fatal("still waiting: " + what)
	}
}
