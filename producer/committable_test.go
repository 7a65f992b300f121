package producer_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/internal/testlog"
	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/producer"
	"github.com/vicuna-go/vicuna/serde"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
	"github.com/vicuna-go/vicuna/stream/streamtest"
)

type (
	committable = envelope.Committable
	offsetEnv   = envelope.Envelope[string, string, committable]
	offsetPair  = stream.Pair[envelope.Envelope[string, string, int], committable]
	consumed    = streamtest.TrackedMessage[string]
)

// trackedNumbers is a consumer with n numbered records in each of so many partitions.
func trackedNumbers(partitions, n int) *streamtest.TrackedSource[string] {
	src := streamtest.NewTracked[string](partitions)
	for p := range partitions {
		for i := range n {
			src.Append(int32(p), strconv.Itoa(i))
		}
	}
	src.End()
	return src
}

// kinds makes envelopes of all kinds of a record, by its offset.
func kinds[P any](m *consumed, topic string, p P) envelope.Envelope[string, string, P] {
	rec := *envelope.New(topic, "k"+m.Value, m.Value)
	switch m.Offset % 5 {
	case 0:
		return envelope.Multi([]record{rec, rec, rec}, p)
	case 1:
		return envelope.PassThrough[string, string](p)
	case 2:
		return envelope.Multi[string, string](nil, p)
	}
	return envelope.Single(rec, p)
}

// kindsRecords is how many records kinds makes of the first n.
func kindsRecords(n int) (records int) {
	for i := range n {
		records += []int{3, 0, 0, 1, 1}[i%5]
	}
	return records
}

// ends are the committing sinks behind a consumer.
func ends(ps settings.Producer[string, string], cm settings.Committer, topic string, opts ...producer.Option) map[string]func(src stream.Source[*consumed]) stream.Graph {
	return map[string]func(src stream.Source[*consumed]) stream.Graph{
		"CommittableSink": func(src stream.Source[*consumed]) stream.Graph {
			return stream.Map(src, func(m *consumed) offsetEnv { return kinds[committable](m, topic, m) }).To(producer.CommittableSink(ps, cm, opts...))
		},
		"CommittableSinkOf an int": func(src stream.Source[*consumed]) stream.Graph {
			return stream.Map(src, func(m *consumed) env { return kinds(m, topic, int(m.Offset)) }).To(producer.CommittableSinkOf[int](ps, cm, opts...))
		},
		"CommittableSinkWithOffsetContext": func(src stream.Source[*consumed]) stream.Graph {
			pairs := stream.WithContext(src, func(m *consumed) committable { return m })
			return stream.MapWithContext(pairs, func(m *consumed) envelope.Envelope[string, string, envelope.None] {
				return kinds(m, topic, envelope.None{})
			}).To(producer.CommittableSinkWithOffsetContext(ps, cm, opts...))
		},
		"CommittableSinkWithOffsetContextOf an int": func(src stream.Source[*consumed]) stream.Graph {
			pairs := stream.WithContext(src, func(m *consumed) committable { return m })
			return stream.MapWithContext(pairs, func(m *consumed) env { return kinds(m, topic, 7) }).
				To(producer.CommittableSinkWithOffsetContextOf[int](ps, cm, opts...))
		},
	}
}

func TestCommittableSinksWriteAndCommitEverything(t *testing.T) {
	k := kafkatest.Start(t, kafkatest.Topics(3, "out"), kafkatest.InMemory())
	already := 0
	for name, end := range ends(sets(k, settings.Window(500, unbounded)), settings.NewCommitter(), "out") {
		t.Run(name, func(t *testing.T) {
			src := trackedNumbers(2, 2000)
			require.NoError(t, end(src.Source()).Run(t.Context()))
			require.EqualValues(t, 2000, src.Committed(0))
			require.EqualValues(t, 2000, src.Committed(1))
			already += 2 * kindsRecords(2000)
			require.Len(t, kafkatest.ReadAll(t, k, "out"), already)
		})
	}
}

// A Committable of somebody else's gets one Commit for each envelope, when that is done, and one
// that is not done gets none.
func TestForeignCommittables(t *testing.T) {
	k := kafkatest.Start(t, kafkatest.Topics(1, "out"), kafkatest.InMemory())
	ps := sets(k)
	const n = 1000
	var fakes []*kafkatest.FakeCommittable
	commits := func() (m map[int]int) {
		m = map[int]int{}
		for _, f := range fakes {
			m[f.Commits()]++
		}
		fakes = nil
		return m
	}
	fake := func(*consumed) committable {
		fakes = append(fakes, &kafkatest.FakeCommittable{})
		return fakes[len(fakes)-1]
	}
	src := func() stream.Source[*consumed] { return trackedNumbers(1, n).Source() }
	toEnv := func(m *consumed) offsetEnv { return kinds(m, "out", fake(m)) }
	require.NoError(t, stream.Map(src(), toEnv).To(producer.CommittableSink(ps, settings.NewCommitter())).Run(t.Context()))
	require.Equal(t, map[int]int{1: n}, commits())

	// The pass-through's static type does not matter, nor do pass-throughs that are none.
	require.NoError(t, stream.Map(src(), func(m *consumed) envelope.Envelope[string, string, any] {
		return kinds[any](m, "out", fake(m))
	}).To(producer.CommittableSinkOf[any](ps, settings.NewCommitter())).Run(t.Context()))
	require.Equal(t, map[int]int{1: n}, commits())
	require.NoError(t, stream.Map(src(), func(m *consumed) envelope.Envelope[string, string, *kafkatest.FakeCommittable] {
		return kinds(m, "out", fake(m).(*kafkatest.FakeCommittable))
	}).To(producer.CommittableSinkOf[*kafkatest.FakeCommittable](ps, settings.NewCommitter())).Run(t.Context()))
	require.Equal(t, map[int]int{1: n}, commits())
	require.NoError(t, stream.Map(src(), func(m *consumed) envelope.Envelope[string, string, []committable] {
		return kinds(m, "out", []committable{fake(m), nil, fake(m)})
	}).To(producer.CommittableSinkOf[[]committable](ps, settings.NewCommitter())).Run(t.Context()))
	require.Equal(t, map[int]int{1: 2 * n}, commits(), "a batch")
	require.NoError(t, stream.Map(src(), func(m *consumed) envelope.Envelope[string, string, any] {
		return kinds[any](m, "out", nil)
	}).To(producer.CommittableSinkOf[any](ps, settings.NewCommitter())).Run(t.Context()))

	// As a context, the pass-through is not looked at.
	through := &kafkatest.FakeCommittable{}
	require.NoError(t, stream.MapWithContext(stream.WithContext(src(), fake), func(m *consumed) offsetEnv {
		return kinds[committable](m, "out", through)
	}).To(producer.CommittableSinkWithOffsetContextOf[committable](ps, settings.NewCommitter())).Run(t.Context()))
	require.Equal(t, map[int]int{1: n}, commits())
	require.Zero(t, through.Commits())
}

var errCommittable = errors.New("the commit panics")

type panicking struct{}

func (panicking) Commit() { panic(errCommittable) }

// A Committable of the user's own that panics ends the stream, and nothing else; also in the
// client's goroutine.
func TestForeignCommittableThatPanics(t *testing.T) {
	k := kafkatest.Start(t, kafkatest.Topics(1, "out"), kafkatest.InMemory())
	cl := client(t, sets(k))
	for name, e := range map[string]offsetEnv{
		"Message":            envelope.Single[string, string, committable](*envelope.New("out", "k", "v"), panicking{}),
		"MultiMessage":       envelope.Multi[string, string, committable]([]record{*envelope.New("out", "k", "v")}, panicking{}),
		"PassThroughMessage": envelope.PassThrough[string, string, committable](panicking{}),
	} {
		t.Run(name, func(t *testing.T) {
			src := func() stream.Source[*streamtest.TrackedMessage[offsetEnv]] {
				src := streamtest.NewTracked[offsetEnv](1)
				src.Append(0, e, e, e)
				src.End()
				return src.Source()
			}
			// Merged and split tokens too: nothing is ended twice.
			batched := stream.FlatMap(stream.Batch(src(), 3, 0), func(ms []*streamtest.TrackedMessage[offsetEnv]) iter.Seq[offsetEnv] {
				return func(yield func(offsetEnv) bool) {
					for _, m := range ms {
						if !yield(m.Value) {
							return
						}
					}
				}
			})
			plain := stream.Map(src(), func(m *streamtest.TrackedMessage[offsetEnv]) offsetEnv { return m.Value })
			for _, s := range []stream.Source[offsetEnv]{batched, plain} {
				err := s.To(producer.CommittableSink(bare(k), settings.NewCommitter(), producer.On(cl))).Run(t.Context())
				requireStage(t, err, "committableSink")
				var p *stream.PanicError
				require.ErrorAs(t, err, &p)
				require.ErrorIs(t, err, errCommittable)
				require.NoError(t, stream.FromSlice(numbered("out", 10)).To(producer.PlainSink(bare(k), producer.On(cl))).Run(t.Context()), "the client lives")
			}
		})
	}
}

// Pass-throughs alone need no broker.
func TestCommittableSinkOfPassThroughsAlone(t *testing.T) {
	var dials atomic.Int64
	ps := settings.NewProducer(serde.String(), serde.String(), settings.Bootstrap("localhost:1"), testlog.Silent(),
		settings.Dialer(func(context.Context, string, string) (net.Conn, error) {
			dials.Add(1)
			return nil, fmt.Errorf("not to be dialled")
		}))
	src := trackedNumbers(2, 5000)
	g := stream.Map(src.Source(), func(m *consumed) offsetEnv {
		if m.Offset%2 == 0 {
			return envelope.Multi[string, string, committable](nil, m)
		}
		return envelope.PassThrough[string, string, committable](m)
	}).To(producer.CommittableSink(ps, settings.NewCommitter()))
	require.NoError(t, g.Run(t.Context()))
	require.EqualValues(t, 5000, src.Committed(0))
	require.EqualValues(t, 5000, src.Committed(1))
	require.NoError(t, g.Run(t.Context()), "and once more with nothing at all")
	require.Zero(t, dials.Load())
}

// The producer is in another graph than the consumer: there are no tokens, and the offset that the
// envelope carries tells what is done.
func TestCommittableSinkInAnotherGraph(t *testing.T) {
	k := kafkatest.Start(t, kafkatest.Topics(1, "out"), kafkatest.InMemory())
	release := k.HoldAcks("out")
	src := trackedNumbers(1, 1000)
	between := make(chan *consumed, 2000)
	source := grouptest.Start(t, src.Source().To(stream.ToChan(between)))
	sink := grouptest.Start(t, stream.Map(stream.FromChan(between), func(m *consumed) offsetEnv {
		return envelope.Single[string, string, committable](*envelope.New("out", "k", m.Value), m)
	}).To(producer.CommittableSink(sets(k), settings.NewCommitter())))
	k.AwaitHeld(t, 1)
	require.Zero(t, src.Committed(0))
	release()
	<-source.Done() // waits for what was handed over
	require.NoError(t, source.Err())
	require.EqualValues(t, 1000, src.Committed(0))
	close(between)
	<-sink.Done()
	require.NoError(t, sink.Err())
}

// All problems are told before anything runs, the committer's with the producer's.
func TestContradictoryCommitterSettings(t *testing.T) {
	ps := settings.NewProducer(serde.String(), serde.String(), settings.Bootstrap("not an address"))
	for name, end := range ends(ps, settings.NewCommitter(settings.MaxBatch(-1)), "out") {
		src := trackedNumbers(1, 1)
		_, err := end(src.Source()).Start(t.Context())
		require.ErrorContains(t, err, "not an address", name)
		require.ErrorContains(t, err, "MaxBatch", name)
		k := kafkatest.Start(t, kafkatest.InMemory())
		err = ends(sets(k), settings.NewCommitter(settings.MaxBatch(-1)), "out")[name](src.Source()).Run(t.Context())
		require.ErrorContains(t, err, "MaxBatch", name)
		require.NotContains(t, err.Error(), "not an address")
	}
}

// allocations of a graph for each of n records, the broker's included.
func allocations(t *testing.T, n int, g stream.Graph) float64 {
	t.Helper()
	var before, after runtime.MemStats
	require.NoError(t, g.Run(t.Context()))
	runtime.ReadMemStats(&before)
	require.NoError(t, g.Run(t.Context()))
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs-before.Mallocs) / float64(n)
}

// Committing costs no allocation for a record, whatever it is told by.
func TestCommittableSinkAllocations(t *testing.T) {
	k := kafkatest.Start(t, kafkatest.Topics(1, "out"), kafkatest.InMemory())
	ps := sets(k)
	const n = 100_000
	recs := make([]*record, n)
	offsets, ints := make([]offsetEnv, n), make([]env, n)
	pairs := make([]offsetPair, n)
	rec := envelope.New("out", "k", "v")
	off := &position{g: &group{}}
	for i := range n {
		recs[i] = rec
		offsets[i] = envelope.Single[string, string, committable](*rec, off)
		ints[i] = envelope.Single(*rec, 1000+i)
		pairs[i] = offsetPair{Value: ints[i], Context: off}
	}
	plain := allocations(t, n, stream.FromSlice(recs).To(producer.PlainSink(ps)))
	cm := settings.NewCommitter()
	for name, g := range map[string]stream.Graph{
		"offset":              stream.FromSlice(offsets).To(producer.CommittableSink(ps, cm)),
		"a number":            stream.FromSlice(ints).To(producer.CommittableSinkOf[int](ps, cm)),
		"offset as a context": stream.FromSlice(pairs).To(producer.CommittableSinkWithOffsetContextOf[int](ps, cm)),
	} {
		mine := allocations(t, n, g)
		t.Logf("%s: %.4f allocations a record, PlainSink %.4f", name, mine, plain)
		// of a batch there are some, and a slow machine makes smaller ones
		require.Less(t, mine, plain+0.5, name)
	}
	require.EqualValues(t, 4*n, off.answered.Load())
	require.Zero(t, off.commits.Load())
}
