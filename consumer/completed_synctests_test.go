//go:build synctests

package consumer_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// completing are the ways in which a source of records completes while its graph goes on.
var completing = map[string]func(src, endless stream.Source[*strRecord]) stream.Source[*strRecord]{
	"take, concat": func(src, endless stream.Source[*strRecord]) stream.Source[*strRecord] {
		return stream.Concat(src.Take(10), endless)
	},
	"take, merge": func(src, endless stream.Source[*strRecord]) stream.Source[*strRecord] {
		return stream.Merge(src.Take(10), endless)
	},
	"take behind a stage": func(src, endless stream.Source[*strRecord]) stream.Source[*strRecord] {
		return stream.Concat(src.Async().Take(10), endless)
	},
	"take while, concat": func(src, endless stream.Source[*strRecord]) stream.Source[*strRecord] {
		n := 0
		return stream.Concat(src.TakeWhile(func(*strRecord) bool { n++; return n <= 10 }), endless)
	},
	"take while, merge": func(src, endless stream.Source[*strRecord]) stream.Source[*strRecord] {
		n := 0
		return stream.Merge(endless, src.TakeWhile(func(*strRecord) bool { n++; return n <= 10 }))
	},
}

// completedWorld is a topic of two partitions, a first member whose source completes while its
// graph waits for something that never comes, and a second one.
type completedWorld struct {
	*grouptest.World
	c         *strConsumer
	got, rest *grouptest.Deliveries
	first     *stream.Control
}

const completedRecords = 100

func (w *completedWorld) endless() stream.Source[*strRecord] {
	return stream.FromChan(make(chan *strRecord))
}

// requireLeft says that the first member has left, and that a second one has all partitions at once
// and goes on where the first has stopped.
func (w *completedWorld) requireLeft(t *testing.T, committed bool) {
	t.Helper()
	ps, err := w.c.Assignment()
	require.NoError(t, err)
	require.Empty(t, ps)
	_, err = w.c.Lag(t.Context())
	require.ErrorIs(t, err, consumer.ErrNotRunning)
	require.ErrorIs(t, w.c.Pause(), consumer.ErrNotRunning)
	other := w.Consumer()
	second := w.Start(other.CommittableSource().To(w.rest.Committing()))
	left := 2 * completedRecords
	if committed {
		left -= w.got.Count()
	}
	took := w.Until("the rest", func() bool { return w.rest.Count() >= left })
	require.Less(t, took, 2*time.Second, "it waits for nobody")
	require.Equal(t, left, w.rest.Count())
	w.Drain(second)
	select {
	case <-w.first.Done():
		t.Fatalf("the rest of the graph has ended: %v", w.first.Err())
	default:
	}
	w.Drain(w.first)
	require.ErrorIs(t, w.first.Err(), stream.ErrDrained)
}

func completedTest(t *testing.T, opts []consumer.Option, body func(t *testing.T, w *completedWorld)) {
	grouptest.Calmly(t, 2, func(t *testing.T, w *grouptest.World) {
		w.Fill(2, 0, completedRecords)
		body(t, &completedWorld{World: w, c: consumer.New(w.Settings(), consumer.Topics("in"), opts...), got: &grouptest.Deliveries{}, rest: &grouptest.Deliveries{}})
	})
}

// A source whose Broadcast has no branch left leaves.
func TestBroadcastWithoutBranchesLeaves(t *testing.T) {
	completedTest(t, nil, func(t *testing.T, w *completedWorld) {
		branch := func(n int) stream.Sink[*strRecord] {
			return stream.NewFlow(func(s stream.Source[*strRecord]) stream.Source[*strRecord] {
				return stream.Merge(s.Take(n), w.endless())
			}).To(w.got.Sink())
		}
		w.first = w.Start(w.c.PlainSource().To(stream.Broadcast(branch(3), branch(7))))
		w.Until("ten", func() bool { return w.got.Count() == 10 })
		w.Pass(time.Second)
		w.requireLeft(t, false)
	})
}

// A source that has completed leaves its group, whatever completes it and whatever it commits.
func TestCompletedSourceLeaves(t *testing.T) {
	for how, completes := range completing {
		t.Run("plain, "+how, func(t *testing.T) {
			completedTest(t, nil, func(t *testing.T, w *completedWorld) {
				w.first = w.Start(completes(w.c.PlainSource(), w.endless()).To(w.got.Sink()))
				w.Until("ten", func() bool { return w.got.Count() == 10 })
				w.Pass(time.Second)
				w.requireLeft(t, false)
			})
		})
		t.Run("at most once, "+how, func(t *testing.T) {
			completedTest(t, nil, func(t *testing.T, w *completedWorld) {
				w.first = w.Start(completes(w.c.AtMostOnceSource(20), w.endless()).To(w.got.Sink()))
				w.Until("ten", func() bool { return w.got.Count() == 10 })
				w.Pass(time.Second)
				other := w.Consumer()
				second := w.Start(other.AtMostOnceSource(20).To(w.rest.Sink()))
				w.Pass(2 * time.Second)
				require.GreaterOrEqual(t, w.rest.Count(), 2*completedRecords-11, "the offsets are set back to what the stream did not get")
				require.LessOrEqual(t, w.rest.Count(), 2*completedRecords-10)
				w.Drain(second)
				w.Drain(w.first)
			})
		})
		t.Run("committable, "+how, func(t *testing.T) {
			completedTest(t, nil, func(t *testing.T, w *completedWorld) {
				var mu sync.Mutex
				of := map[*strRecord]envelope.Committable{}
				records := stream.Map(w.c.CommittableSource(), func(m *strMessage) *strRecord {
					mu.Lock()
					defer mu.Unlock()
					of[&m.Record] = m.Offset
					return &m.Record
				})
				offsets := stream.Map(completes(records, w.endless()), func(r *strRecord) envelope.Committable {
					w.got.Add(r)
					mu.Lock()
					defer mu.Unlock()
					return of[r]
				})
				w.first = w.Start(offsets.To(consumer.CommitterSink(settings.NewCommitter(settings.MaxInterval(time.Hour)))))
				w.Until("ten", func() bool { return w.got.Count() == 10 })
				w.Pass(time.Second)
				w.requireLeft(t, true)
			})
		})
		t.Run("no member, "+how, func(t *testing.T) {
			completedTest(t, nil, func(t *testing.T, w *completedWorld) {
				w.c = consumer.New(w.Settings(), consumer.Partitions(ats(2)...))
				w.first = w.Start(completes(w.c.PlainSource(), w.endless()).To(w.got.Sink()))
				w.Until("ten", func() bool { return w.got.Count() == 10 })
				w.Pass(time.Second)
				w.requireLeft(t, false)
			})
		})
	}
}

// A bounded source leaves when everything was read.
func TestBoundedSourceLeaves(t *testing.T) {
	completedTest(t, []consumer.Option{consumer.ToEnd()}, func(t *testing.T, w *completedWorld) {
		w.first = w.Start(stream.Concat(w.c.PlainSource(), w.endless()).To(w.got.Sink()))
		w.Until("all", func() bool { return w.got.Count() == 2*completedRecords })
		w.Pass(time.Second)
		w.requireLeft(t, false)
	})
}

// Partitioned sources leave when no sub-stream is left and none comes any more.
func TestCompletedPartitionedSourceLeaves(t *testing.T) {
	load := func(context.Context, []consumer.TopicPartition) (map[consumer.TopicPartition]int64, error) {
		return nil, nil
	}
	ended := map[string]struct {
		opts []consumer.Option
		take int // sub-streams; 0: all
		each int // records; 0: all
		n    int // children at a time
		want int
	}{
		"to the end":               {opts: []consumer.Option{consumer.ToEnd()}, want: 2 * completedRecords},
		"to the end, one by one":   {opts: []consumer.Option{consumer.ToEnd()}, n: 1, want: 2 * completedRecords},
		"two sub-streams":          {take: 2, each: 5, want: 10},
		"two of them, one by one":  {take: 2, each: 5, n: 1, want: 10},
		"three of them, one again": {take: 3, each: 5, want: 15},
	}
	for name, e := range ended {
		graphs := map[string]func(w *completedWorld) stream.Graph{
			"plain": func(w *completedWorld) stream.Graph {
				return completingEach(w, w.c.PlainPartitionedSource(), e.take, e.each, e.n)
			},
			"manual": func(w *completedWorld) stream.Graph {
				return completingEach(w, w.c.PlainPartitionedManualOffsetSource(load, nil), e.take, e.each, e.n)
			},
		}
		for kind, graph := range graphs {
			t.Run(kind+", "+name, func(t *testing.T) {
				completedTest(t, e.opts, func(t *testing.T, w *completedWorld) {
					w.first = w.Start(graph(w))
					w.Until("what is wanted", func() bool { return w.got.Count() == e.want })
					w.Pass(time.Second)
					w.requireLeft(t, false)
				})
			})
		}
	}
}

// completingEach runs some sub-streams, each with some records, beside a stream of sub-streams that
// never ends.
func completingEach(w *completedWorld, src stream.Source[strSub], take, each, n int) stream.Graph {
	if take > 0 {
		src = src.Take(take)
	}
	beside := stream.FromSlice([]strSub{{Key: consumer.TopicPartition{Topic: "beside"}, Source: w.endless()}})
	return stream.Each(stream.Concat(src, beside), n, func(_ consumer.TopicPartition, s stream.Source[*strRecord]) stream.Graph {
		if each > 0 {
			s = s.Take(each)
		}
		return s.To(w.got.Sink())
	})
}
