package consumer_test

import (
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/producer"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

const copyPartitions = 6

// copying is a topic that is written to all the time, and members that copy it, split into pieces.
type copying struct {
	*grouptest.World
	out     *grouptest.Deliveries // the pieces, as they are appended
	stop    func()                // ends the writing
	ordered bool                  // the copies keep the order
	flow    bool                  // they pass a flow, and commit after it
	commits settings.Committer
	members int // every other one recycles
	// work is what a copy does with each piece besides taking its time; nil: nothing.
	work func(context.Context, piece) error
}

// eachCopying runs a test in each of the protocols, with some records of each partition written
// each few milliseconds.
func eachCopying(t *testing.T, test func(t *testing.T, w *copying, kind grouptest.Protocol)) {
	copyingIn(t, grouptest.Protocols, test)
}

// copyingIn is eachCopying in some of the protocols.
func copyingIn(t *testing.T, protocols []grouptest.Protocol, test func(t *testing.T, w *copying, kind grouptest.Protocol)) {
	grouptest.Each(t, protocols, copyPartitions, func(t *testing.T, world *grouptest.World, kind grouptest.Protocol) {
		world.CreateTopic(t, "out", copyPartitions)
		w := &copying{World: world, out: world.Outputs("out", pieceParts)}
		w.stop = w.Writing(10*time.Millisecond, w.next)
		test(t, w, kind)
	}, grouptest.Session(2*time.Second))
}

// next are the records that are written now.
func (w *copying) next() (recs []*kgo.Record) {
	for p := range int32(copyPartitions) {
		for range 10 {
			recs = append(recs, &kgo.Record{Partition: p, Value: []byte(grouptest.Value(p, w.Next(p)))})
		}
	}
	return recs
}

// piece is what a record is split into.
type piece struct {
	partition int32
	number    int64
	copy      int
	offset    envelope.Committable
}

func (p piece) String() string {
	return grouptest.Value(p.partition, p.number, strconv.Itoa(p.copy))
}

// wanted is the copies' Filter.
func (p piece) wanted() bool { return (p.number+int64(p.copy))%5 != 0 }

// pieces is the copies' FlatMap: none to three.
func pieces(m *strMessage) iter.Seq[piece] { return piecesOf(&m.Record, m.Offset) }

func piecesOf(r *strRecord, offset envelope.Committable) iter.Seq[piece] {
	return func(yield func(piece) bool) {
		number := r.Offset()
		for i := range int(number % 4) {
			if !yield(piece{partition: r.Partition(), number: number, copy: i, offset: offset}) {
				return
			}
		}
	}
}

// pieceParts are those of a record that arrive at the output.
func pieceParts(p int32, number int64) (parts []string) {
	for i := range int(number % 4) {
		if (piece{partition: p, number: number, copy: i}).wanted() {
			parts = append(parts, strconv.Itoa(i))
		}
	}
	return parts
}

// copier is a member that copies.
type copier struct {
	*grouptest.Member
	w *copying
}

func (w *copying) member(kind grouptest.Protocol, i int, more ...settings.ConsumerOption) *copier {
	var handle []consumer.Option
	if w.members++; w.members%2 == 0 {
		handle = []consumer.Option{consumer.Recycle()}
	}
	opts := append(kind.Member(i, settings.ClientID(strconv.Itoa(i))), more...)
	return &copier{w.MemberWith(opts, handle...), w}
}

// start starts the member's copy.
func (m *copier) start() {
	split := stream.FlatMap(m.Handle.CommittableSource(), pieces).Filter(piece.wanted)
	var envelopes stream.Source[envelope.Envelope[string, string, envelope.Committable]]
	if m.w.ordered {
		envelopes = stream.MapAsync(split, 16, m.w.unevenly)
	} else {
		envelopes = stream.MapAsyncUnordered(split, 16, m.w.unevenly)
	}
	if !m.w.flow {
		m.Start(envelopes.To(producer.CommittableSink(m.producer(), m.w.commits)))
		return
	}
	results := stream.Via(envelopes, producer.FlexiFlow[envelope.Committable](m.producer()))
	done := stream.TryMap(results, func(_ context.Context, r envelope.Results[string, string, envelope.Committable]) (envelope.Committable, error) {
		return r.Pass(), r.Failed()
	})
	m.Start(done.To(consumer.CommitterSink(m.w.commits)))
}

// producer is what the member writes with: on its own wire, and so that what it writes can be seen.
func (m *copier) producer() settings.Producer[string, string] {
	return m.w.Producer(m.Wire.Option(), settings.Compression(kgo.NoCompression()))
}

// unevenly takes much longer now and then, so that at any time there are results in each partition
// that have overtaken another.
func (w *copying) unevenly(ctx context.Context, p piece) (envelope.Envelope[string, string, envelope.Committable], error) {
	if w.work != nil {
		if err := w.work(ctx, p); err != nil {
			return nil, err
		}
	}
	takes := time.Duration(rand.IntN(8)) * 250 * time.Microsecond
	if rand.IntN(200) == 0 {
		takes = 50 * time.Millisecond
	}
	if err := grouptest.Idle(ctx, takes); err != nil {
		return nil, err
	}
	key := fmt.Sprint(p.partition, "-", p.number%3)
	return envelope.Single(*envelope.New("out", key, p.String()), p.offset), nil
}

// share waits until the copiers share all partitions among them.
func (w *copying) share(copiers ...*copier) {
	var members []*grouptest.Member
	for _, m := range copiers {
		members = append(members, m.Member)
	}
	w.Share(members...)
}

// progress waits until each partition has committed something more.
func (w *copying) progress() {
	seen := len(w.Journal.Commits())
	w.Until("each partition commits", func() bool {
		in := map[int32]bool{}
		for _, c := range w.Journal.Commits()[seen:] {
			in[c.Partition] = true
		}
		return len(in) == copyPartitions
	})
}

// copied ends the writing, waits until everything that was written is committed, and says what has
// come of it.
func (w *copying) copied(t *testing.T) func() grouptest.Verdict {
	w.stop()
	w.Until("everything is committed", func() bool {
		for p, n := range w.Sent() {
			if w.Committed(p) != n {
				return false
			}
		}
		return true
	})
	return func() grouptest.Verdict {
		v := w.out.Verify(w.Sent())
		t.Log(v)
		return v
	}
}
