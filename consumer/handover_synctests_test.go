//go:build synctests

package consumer_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/producer"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

type (
	offset  = envelope.Committable
	passing = envelope.Envelope[string, string, offset]
	batched = envelope.Envelope[string, string, []offset]
)

// handWorld is a topic with some records, and graphs that hand them to each other.
type handWorld struct {
	*grouptest.World
	src stream.Source[*strMessage]
}

func inHandWorld(t *testing.T, records int, fn func(t *testing.T, w handWorld)) {
	t.Helper()
	grouptest.Calmly(t, 1, func(t *testing.T, world *grouptest.World) {
		world.CreateTopic(t, "out", 1)
		world.Write(0, 0, records)
		// the other graphs say how often
		world.Handle = []consumer.Option{consumer.CommitsElsewhere(settings.MaxInterval(time.Hour))}
		fn(t, handWorld{world, world.Consumer(settings.StuckAfter(10 * time.Second)).CommittableSource()})
	})
}

// done is the committed offset, when everything has happened that happens by itself.
func (w handWorld) done() int {
	w.Pass(time.Second)
	return int(max(0, w.Committed(0)))
}

// into is a sink of what f makes of its elements.
func into[A, B any](f func(A) B, sink stream.Sink[B]) stream.Sink[A] {
	return stream.NewFlow(func(s stream.Source[A]) stream.Source[B] { return stream.Map(s, f) }).To(sink)
}

// copies is a sink of n elements for each of its own.
func copies[A any](n int, sink stream.Sink[A]) stream.Sink[A] {
	return stream.NewFlow(func(s stream.Source[A]) stream.Source[A] {
		return stream.FlatMap(s, func(a A) iter.Seq[A] { return slices.Values(slices.Repeat([]A{a}, n)) })
	}).To(sink)
}

// flat is a sink of the elements of slices.
func flat[A any](sink stream.Sink[A]) stream.Sink[[]A] {
	return stream.NewFlow(func(s stream.Source[[]A]) stream.Source[A] { return stream.FlatMap(s, slices.Values[[]A]) }).To(sink)
}

// another starts a graph that takes elements from a channel and finishes them with a sink, as many
// as it is let.
func another[T any](w handWorld, sink stream.Sink[T]) (in chan T, let func(n int)) {
	in, gate := make(chan T, 1000), make(chan struct{}, 1000)
	w.Start(stream.MapAsync(stream.FromChan(in), 1, func(ctx context.Context, v T) (T, error) {
		select {
		case <-gate:
		case <-ctx.Done():
		}
		return v, ctx.Err()
	}).To(sink), stream.CloseTimeout(time.Second))
	return in, func(n int) {
		for range n {
			gate <- struct{}{}
		}
	}
}

// carrying is an element of a user's.
type carrying struct {
	Number int
	Offset offset
}

// finishers are the sinks that finish an offset.
func (w handWorld) finishers() map[string]stream.Sink[offset] {
	rec := *envelope.New("out", "k", "v")
	type (
		none     = envelope.Envelope[string, string, envelope.None]
		nonePair = stream.Pair[none, offset]
	)
	return map[string]stream.Sink[offset]{
		"CommitterSink":      consumer.CommitterSink(quickly()),
		"CommitterFlow":      consumer.CommitterFlow(quickly()).To(stream.Ignore[consumer.Committed]()),
		"CommitterBatchFlow": consumer.CommitterBatchFlow(quickly()).To(stream.Ignore[[]offset]()),
		"CommitterSinkWithOffsetContext": into(func(o offset) stream.Pair[int, offset] { return stream.Pair[int, offset]{Context: o} },
			consumer.CommitterSinkWithOffsetContext[int](quickly())),
		"CommitterSinkOf offsets": consumer.CommitterSinkOf[offset](quickly()),
		"CommitterSinkOf batches, shown twice": into(func(o offset) stream.Pair[[]carrying, offset] {
			return stream.Pair[[]carrying, offset]{Value: []carrying{{Offset: o}}, Context: o}
		}, consumer.CommitterSinkOf[stream.Pair[[]carrying, offset]](quickly())),
		"CommitterFlowWithOffsetContext": into(func(o offset) stream.Pair[int, offset] { return stream.Pair[int, offset]{Context: o} },
			consumer.CommitterFlowWithOffsetContext[int](quickly()).To(stream.Ignore[consumer.Committed]())),
		"CommittableSink": into(func(o offset) passing { return envelope.Single(rec, o) }, producer.CommittableSink(w.Producer(), quickly())),
		"CommittableSink, several records": into(func(o offset) passing { return envelope.Multi([]envelope.Record[string, string]{rec, rec, rec}, o) },
			producer.CommittableSink(w.Producer(), quickly())),
		"CommittableSink, no record": into(envelope.PassThrough[string, string, offset], producer.CommittableSink(w.Producer(), quickly())),
		"CommittableSink, an empty one": into(func(o offset) passing { return envelope.Multi[string, string](nil, o) },
			producer.CommittableSink(w.Producer(), quickly())),
		"CommittableSinkWithOffsetContext": into(func(o offset) nonePair { return nonePair{Value: envelope.Single(rec, envelope.None{}), Context: o} },
			producer.CommittableSinkWithOffsetContext(w.Producer(), quickly())),
		"CommittableSinkOf slices": into(func(o offset) batched { return envelope.Single(rec, []offset{o}) },
			producer.CommittableSinkOf[[]offset](w.Producer(), quickly())),
	}
}

func (w handWorld) finisherNames() (names []string) {
	for name := range w.finishers() {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// eachFinisher runs a test for each way to finish an offset.
func eachFinisher(t *testing.T, records int, fn func(t *testing.T, w handWorld, finisher stream.Sink[offset])) {
	var names []string
	inHandWorld(t, 0, func(_ *testing.T, w handWorld) { names = w.finisherNames() })
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			inHandWorld(t, records, func(t *testing.T, w handWorld) { fn(t, w, w.finishers()[name]) })
		})
	}
}

// A record that was expanded into three before the channel is done with the third, whatever
// finishes them.
func TestExpandedBeforeTheChannel(t *testing.T) {
	eachFinisher(t, 4, func(t *testing.T, w handWorld, finisher stream.Sink[offset]) {
		in, let := another(w, finisher)
		w.Start(w.src.To(into(grouptest.OffsetOf, copies(3, stream.ToChan(in)))))
		for n := 1; n <= 12; n++ {
			let(1)
			require.Equal(t, n/3, w.done(), "%d finished", n)
		}
	})
}

// A stage that has an element by its token finishes that, and no hand-over of another branch: each
// waits for its own Commit, which says that the record is done.
func TestHandOverInAnotherBranch(t *testing.T) {
	work := make(chan offset, 1000)
	take := func(_ context.Context, o offset) error {
		work <- o
		return nil
	}
	one := func(s stream.Source[offset]) stream.Source[[]offset] { return stream.Batch(s, 3, 10*time.Millisecond) }
	for name, hand := range map[string]func() stream.Sink[offset]{
		"ToChan":        func() stream.Sink[offset] { return stream.ToChan(work) },
		"ForEachManual": func() stream.Sink[offset] { return stream.ForEachManual(take) },
		"ForEachManual with retries": func() stream.Sink[offset] {
			return stream.ForEachManual(take, stream.OnError(stream.Retry(stream.Backoff{})))
		},
		"expanded":              func() stream.Sink[offset] { return copies(2, stream.ToChan(work)) },
		"a batch, part by part": func() stream.Sink[offset] { return stream.NewFlow(one).To(flat(stream.ToChan(work))) },
		"diverted": func() stream.Sink[offset] {
			return stream.NewFlow(func(s stream.Source[offset]) stream.Source[offset] {
				return s.Divert(func(offset) bool { return true }, stream.ToChan(work))
			}).To(stream.Ignore[offset]())
		},
		"broadcast again": func() stream.Sink[offset] { return stream.Broadcast(stream.ToChan(work), stream.Ignore[offset]()) },
	} {
		t.Run(name, func(t *testing.T) {
			work = make(chan offset, 1000)
			eachFinisher(t, 3, func(t *testing.T, w handWorld, finisher stream.Sink[offset]) {
				w.Start(w.src.To(into(grouptest.OffsetOf, stream.Broadcast(hand(), finisher, copies(3, finisher)))))
				require.Zero(t, w.done(), "nobody has called Commit")
				for n := 1; len(work) > 0; n++ {
					(<-work).Commit()
				}
				require.Equal(t, 3, w.done())
			})
		})
	}
}

// Two graphs that are given the same records both have to finish them, in whatever order; the
// user's Commit does for both.
func TestTwoOtherGraphs(t *testing.T) {
	eachFinisher(t, 5, func(t *testing.T, w handWorld, finisher stream.Sink[offset]) {
		a, letA := another(w, finisher)
		b, letB := another(w, consumer.CommitterSink(quickly()))
		var all []offset
		w.Start(w.src.To(into(func(m *strMessage) offset {
			all = append(all, m.Offset)
			return m.Offset
		}, stream.Broadcast(stream.ToChan(a), stream.ToChan(b)))))
		letA(3)
		require.Zero(t, w.done())
		letB(2)
		require.Equal(t, 2, w.done())
		letB(3)
		require.Equal(t, 3, w.done())
		letA(1)
		require.Equal(t, 4, w.done())
		all[4].Commit()
		require.Equal(t, 5, w.done())
	})
}

// Batches by a channel: each of their tokens is handed over, and finished by itself or with the
// rest; parts of one record are as many as there were.
func TestBatchesBetweenGraphs(t *testing.T) {
	rec := *envelope.New("out", "k", "v")
	whole := func(w handWorld) stream.Sink[[]offset] {
		return into(func(os []offset) batched { return envelope.Single(rec, os) }, producer.CommittableSinkOf[[]offset](w.Producer(), quickly()))
	}
	batch := stream.NewFlow(func(s stream.Source[offset]) stream.Source[[]offset] { return stream.Batch(s, 3, 0) })
	t.Run("committed as they are", func(t *testing.T) {
		inHandWorld(t, 6, func(t *testing.T, w handWorld) {
			in, let := another(w, whole(w))
			w.Start(w.src.To(into(grouptest.OffsetOf, batch.To(stream.ToChan(in)))))
			let(1)
			require.Equal(t, 3, w.done())
			let(1)
			require.Equal(t, 6, w.done())
		})
	})
	t.Run("flattened", func(t *testing.T) {
		eachFinisher(t, 6, func(t *testing.T, w handWorld, finisher stream.Sink[offset]) {
			in, let := another(w, finisher)
			slices := make(chan []offset, 100)
			w.Start(w.src.To(into(grouptest.OffsetOf, batch.To(stream.ToChan(slices)))))
			w.Start(stream.FromChan(slices).To(flat(stream.ToChan(in))))
			for n := 1; n <= 6; n++ {
				let(1)
				require.Equal(t, n, w.done())
			}
		})
	})
	t.Run("of a record expanded into two, committed as they are", func(t *testing.T) {
		inHandWorld(t, 6, func(t *testing.T, w handWorld) {
			in, let := another(w, whole(w))
			w.Start(w.src.To(into(grouptest.OffsetOf, copies(2, batch.To(stream.ToChan(in))))))
			for n := 1; n <= 4; n++ { // 0 0 1, 1 2 2, 3 3 4, 4 5 5
				let(1)
				require.Equal(t, 3*n/2, w.done())
			}
		})
	})
	t.Run("of a record expanded into two, flattened", func(t *testing.T) {
		eachFinisher(t, 6, func(t *testing.T, w handWorld, finisher stream.Sink[offset]) {
			in, let := another(w, flat(finisher))
			w.Start(w.src.To(into(grouptest.OffsetOf, copies(2, batch.To(stream.ToChan(in))))))
			for n := 1; n <= 4; n++ {
				let(1)
				require.Equal(t, 3*n/2, w.done())
			}
		})
	})
	t.Run("to two graphs", func(t *testing.T) {
		eachFinisher(t, 6, func(t *testing.T, w handWorld, finisher stream.Sink[offset]) {
			a, letA := another(w, whole(w))
			b, letB := another(w, flat(finisher))
			w.Start(w.src.To(into(grouptest.OffsetOf, batch.To(stream.Broadcast(stream.ToChan(a), stream.ToChan(b))))))
			letB(2)
			require.Zero(t, w.done())
			letA(1)
			require.Equal(t, 3, w.done())
			letA(1)
			require.Equal(t, 6, w.done())
		})
	})
}

// A channel may lead back into the same graph. What comes by it answers its hand-over, also in one
// batch with what has its token.
func TestChannelBackIntoTheGraph(t *testing.T) {
	eachFinisher(t, 12, func(t *testing.T, w handWorld, finisher stream.Sink[offset]) {
		again, gate := make(chan *strMessage, 100), make(chan *strMessage, 100)
		seconds := stream.FromChan(again)
		firsts := w.src.Divert(func(m *strMessage) bool { return m.Record.Offset()%3 == 1 }, stream.ToChan(gate))
		w.Start(stream.Merge(firsts, seconds).To(into(grouptest.OffsetOf, finisher)))
		require.Equal(t, 1, w.done())
		for n := 1; n <= 4; n++ {
			require.NotEmpty(t, gate)
			again <- <-gate
			require.Equal(t, min(12, 3*n+1), w.done())
		}
	})
	inHandWorld(t, 12, func(t *testing.T, w handWorld) {
		again, gate := make(chan offset, 100), make(chan offset, 100)
		rec := *envelope.New("out", "k", "v")
		// Of the two parts of each record one goes round.
		parts := stream.FlatMap(w.src, func(m *strMessage) iter.Seq[stream.Pair[int, offset]] {
			return slices.Values([]stream.Pair[int, offset]{{Value: 0, Context: m.Offset}, {Value: 1, Context: m.Offset}})
		}).Divert(func(p stream.Pair[int, offset]) bool { return p.Value == 1 }, into(func(p stream.Pair[int, offset]) offset { return p.Context }, stream.ToChan(gate)))
		firsts := stream.Map(parts, func(p stream.Pair[int, offset]) offset { return p.Context })
		batches := stream.Batch(stream.Merge(firsts, stream.FromChan(again)), 5, 10*time.Millisecond)
		w.Start(batches.To(into(func(os []offset) batched { return envelope.Single(rec, os) }, producer.CommittableSinkOf[[]offset](w.Producer(), quickly()))))
		require.Zero(t, w.done())
		for n := 1; n <= 12; n++ {
			require.NotEmpty(t, gate)
			again <- <-gate
			require.Equal(t, n, w.done())
		}
	})
}

// Where nobody answers, the record is named, with its age and the stage that handed it over, while
// it waits and when it is given up: the other graph has left it out, has failed on it, or was never
// there; or the user has forgotten to call Commit. What the graph has finished by itself says
// nothing of that.
func TestUnansweredIsWarnedOf(t *testing.T) {
	const third = 2
	errOther := errors.New("the other graph's")
	for name, other := range map[string]func(stream.Source[*strMessage]) stream.Graph{
		"left out": func(s stream.Source[*strMessage]) stream.Graph {
			return grouptest.Offsets(s.Filter(func(m *strMessage) bool { return m.Record.Offset() != third })).To(consumer.CommitterSink(quickly()))
		},
		"dropped at the start": func(s stream.Source[*strMessage]) stream.Graph {
			return grouptest.Offsets(s.Drop(third + 1)).To(consumer.CommitterSink(quickly()))
		},
		"failed on": func(s stream.Source[*strMessage]) stream.Graph {
			return grouptest.Offsets(stream.TryMap(s, func(_ context.Context, m *strMessage) (*strMessage, error) {
				if m.Record.Offset() == third {
					return nil, errOther
				}
				return m, nil
			})).To(consumer.CommitterSink(quickly()))
		},
		"refused": func(s stream.Source[*strMessage]) stream.Graph {
			return grouptest.Offsets(s.Take(third)).To(consumer.CommitterSink(quickly()))
		},
		"never taken": nil,
		"not looked at": func(s stream.Source[*strMessage]) stream.Graph {
			return s.To(stream.Ignore[*strMessage]())
		},
		"forgotten by the user": func(s stream.Source[*strMessage]) stream.Graph {
			return s.To(stream.ForEach(func(_ context.Context, m *strMessage) error {
				if m.Record.Offset() != third {
					m.Offset.Commit()
				}
				return nil
			}))
		},
	} {
		t.Run(name, func(t *testing.T) {
			inHandWorld(t, 5, func(t *testing.T, w handWorld) {
				in := make(chan *strMessage, 100)
				undone := third
				if name == "dropped at the start" || name == "never taken" || name == "not looked at" {
					undone = 0
				}
				if other != nil {
					w.Start(other(stream.FromChan(in)))
				}
				handed := stream.NewFlow(func(s stream.Source[*strMessage]) stream.Source[*strMessage] {
					return s.Divert(func(m *strMessage) bool { return int(m.Record.Offset()) == undone }, stream.ToChan(in).Named("work"))
				}).To(stream.ToChan(in).Named("others"))
				ctl := w.Start(w.src.To(stream.Broadcast(handed, offsetsTo(consumer.CommitterSink(quickly())))), stream.DrainTimeout(5*time.Second))
				require.Equal(t, undone, w.done())
				w.Pass(25 * time.Second)
				require.Equal(t, undone, w.done())
				said := w.Log.Lines("record stuck")
				require.NotEmpty(t, said)
				for _, part := range []string{
					"was handed over", "topic=in", "partition=0 ", "offset=" + strconv.Itoa(undone) + " ", "stage=work ", "unanswered=1 ", " for=1",
				} {
					require.Contains(t, said[0], part)
				}
				_ = ctl.Drain(t.Context())
				<-ctl.Done()
				said = w.Log.Lines("nobody has finished them in time")
				require.Len(t, said, 1)
				require.Contains(t, said[0], "in[0]@"+strconv.Itoa(undone)+" by work, 1 unanswered, ")
				require.EqualValues(t, undone, max(0, w.Committed(0)))
			})
		})
	}
}

func offsetsTo(sink stream.Sink[offset]) stream.Sink[*strMessage] {
	return into(grouptest.OffsetOf, sink)
}

// The stages of all hand-overs of a record are named, and how many are not answered.
func TestUnansweredNamesTheStages(t *testing.T) {
	inHandWorld(t, 3, func(t *testing.T, w handWorld) {
		a, b := make(chan offset, 100), make(chan offset, 100)
		w.Start(w.src.To(into(grouptest.OffsetOf, stream.Broadcast(stream.ToChan(a).Named("first"), copies(2, stream.ToChan(b).Named("second")), consumer.CommitterSink(quickly())))))
		require.Zero(t, w.done())
		w.Pass(25 * time.Second)
		said := w.Log.Lines("was handed over")
		require.NotEmpty(t, said)
		require.Contains(t, said[0], "unanswered=3")
		require.Contains(t, said[0], "first")
		require.Contains(t, said[0], "second")
	})
}

// Another graph that is stopped, or drained, has answered what it has finished, and no more; the
// next one goes on with what is in the channel.
func TestOtherGraphEnds(t *testing.T) {
	for name, end := range map[string]func(*stream.Control){
		"stopped": (*stream.Control).Stop,
		"drained": func(c *stream.Control) { _ = c.Drain(context.Background()) },
	} {
		t.Run(name, func(t *testing.T) {
			inHandWorld(t, 50, func(t *testing.T, w handWorld) {
				in := make(chan *strMessage)
				w.Start(w.src.To(stream.ToChan(in)), stream.CloseTimeout(time.Second))
				finished, answered := make(chan struct{}), 0
				first := w.Start(grouptest.Offsets(stream.TryMap(stream.FromChan(in), func(ctx context.Context, m *strMessage) (*strMessage, error) {
					if answered == 10 {
						close(finished)
						<-ctx.Done()
						return nil, ctx.Err()
					}
					answered++
					return m, nil
				})).To(consumer.CommitterSink(quickly())), stream.DrainTimeout(time.Second), stream.CloseTimeout(time.Second))
				<-finished
				require.Equal(t, 10, w.done())
				end(first)
				<-first.Done()
				w.Start(grouptest.Offsets(stream.FromChan(in)).To(consumer.CommitterSink(quickly())))
				w.Pass(time.Minute)
				require.Equal(t, 10, w.done(), "the eleventh was refused, which is no answer")
			})
		})
	}
}

// What the user has committed is committed at the end of a run in which other records were never
// answered: the wait for those takes nothing of the time of the last commit.
func TestLastCommitBesideUnanswered(t *testing.T) {
	const n = 20
	inHandWorld(t, n, func(t *testing.T, w handWorld) {
		var mu sync.Mutex
		var had []envelope.Committable
		hold := stream.ForEachManual(func(_ context.Context, m *strMessage) error {
			mu.Lock()
			defer mu.Unlock()
			had = append(had, m.Offset)
			return nil
		})
		ctl := w.Start(w.src.To(stream.Broadcast(hold, onlyArms(onlyAtTheEnd()))), stream.CloseTimeout(3*time.Second))
		w.Pass(time.Second)
		mu.Lock()
		for _, o := range had[:n/2] {
			o.Commit()
		}
		mu.Unlock()
		require.Zero(t, w.done())
		began := time.Now()
		require.NoError(t, ctl.Drain(t.Context()))
		require.Less(t, time.Since(began), 5*time.Second)
		require.Equal(t, n/2, w.done())
	})
}
