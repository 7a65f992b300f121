//go:build synctests

package producer_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/producer"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
	"github.com/vicuna-go/vicuna/stream/streamtest"
)

// twoChunks is how much further than the window a source behind a boundary is pulled; what it is
// giving when that is full is one more.
const twoChunks = 512

// rest lets everything happen that needs no acknowledgement, lingers included.
func rest() {
	<-time.After(time.Second)
	synctest.Wait()
}

// With acknowledgements withheld, a source that is fused with the sink is pulled exactly the window
// and the record that waits for it further.
func TestWindowHoldsAStream(t *testing.T) {
	for name, c := range map[string]struct {
		window settings.ProducerOption
		value  string
		limit  int
	}{
		"by records": {settings.Window(1000, unbounded), "v", 1000},
		// and five bytes of a key
		"by bytes":        {settings.Window(45_000, 10_000), strings.Repeat("v", 95), 100},
		"by bytes partly": {settings.Window(45_000, 10_099), strings.Repeat("v", 95), 100},
	} {
		t.Run(name, func(t *testing.T) {
			for _, sink := range []func(settings.Producer[string, string], ...producer.Option) stream.Sink[*record]{
				producer.PlainSink[string, string], committableSink, committableSinkWithOffsetContext,
			} {
				grouptest.OnBroker(t, func(t *testing.T, k *kafkatest.Broker) {
					release := k.HoldAcks()
					cl := client(t, sets(k, c.window))
					var pulled atomic.Int64
					recs := make([]*record, 5000)
					for i := range recs {
						recs[i] = envelope.New("out", fmt.Sprintf("k%04d", i), c.value)
					}
					src := stream.FromSlice(recs).Tap(func(*record) { pulled.Add(1) })
					ctl := grouptest.Start(t, src.To(sink(bare(k), producer.On(cl))))
					rest()
					require.EqualValues(t, c.limit+1, pulled.Load())
					m := cl.Metrics()
					require.EqualValues(t, c.limit, m.InFlight)
					require.EqualValues(t, c.limit*len("k0000"+c.value), m.InFlightBytes)
					require.EqualValues(t, c.limit, m.BufferedRecords)
					require.Equal(t, 1, m.Waiting)
					release()
					<-ctl.Done()
					require.NoError(t, ctl.Err())
					require.EqualValues(t, 5000, pulled.Load())
					require.Zero(t, cl.Metrics().InFlight)
				}, kafkatest.Topics(3, "out"))
			}
		})
	}
}

// Behind a boundary, a source is pulled two chunks further, and an iterator waits with one more in
// its hand. This holds for envelopes of all kinds.
func TestWindowHoldsAFlow(t *testing.T) {
	const window = 1100
	single := func(i int) env { return envelope.Single(*envelope.New("out", "k", fmt.Sprint(i)), i) }
	for name, c := range map[string]struct {
		envelope func(i int) env
		most     int64
	}{
		"Message": {single, window + twoChunks + 1},
		"PassThroughMessage": {func(i int) env {
			return map[bool]func(int) env{true: single, false: envelope.PassThrough[string, string, int]}[i == 0](i)
		}, window + twoChunks + 1},
		"MultiMessage": {func(i int) env {
			return envelope.Multi([]record{*envelope.New("out", "k", fmt.Sprint(i)), *envelope.New("out", "k", fmt.Sprint(i))}, i)
		}, window/2 + twoChunks + 1},
	} {
		t.Run(name, func(t *testing.T) {
			grouptest.OnBroker(t, func(t *testing.T, k *kafkatest.Broker) {
				release := k.HoldAcks()
				const n = 6000
				var pulled atomic.Int64
				src := stream.FromSeq(func(yield func(env) bool) {
					for i := range n {
						pulled.Add(1)
						if !yield(c.envelope(i)) {
							return
						}
					}
				})
				got := 0
				ctl := grouptest.Start(t, stream.Via(src, producer.FlexiFlow[int](sets(k, settings.Window(window, unbounded)))).To(stream.ForEach(func(_ context.Context, r res) error {
					if r.Pass() != got {
						return fmt.Errorf("%d came and not %d", r.Pass(), got)
					}
					got++
					return nil
				})))
				rest()
				require.LessOrEqual(t, pulled.Load(), c.most)
				require.GreaterOrEqual(t, pulled.Load(), c.most-twoChunks)
				release()
				<-ctl.Done()
				require.NoError(t, ctl.Err())
				require.Equal(t, n, got)
			}, kafkatest.Topics(3, "out"))
		})
	}
}

// Where nobody takes the results, the flow stops at as many envelopes as its window has records,
// and all of those are acknowledged.
func TestDownstreamHoldsAFlow(t *testing.T) {
	grouptest.OnBroker(t, func(t *testing.T, k *kafkatest.Broker) {
		var pulled atomic.Int64
		cl := client(t, sets(k, settings.Window(1100, unbounded)))
		src := stream.FromSlice(singles(numbered("out", 5000))).Tap(func(env) { pulled.Add(1) })
		out := make(chan res)
		ctl := grouptest.Start(t, stream.Via(src, producer.FlexiFlow[int](bare(k), producer.On(cl))).To(stream.ToChan(out)))
		rest()
		require.EqualValues(t, 1101, pulled.Load())
		require.EqualValues(t, 1100, cl.Metrics().Acknowledged)
		require.Zero(t, cl.Metrics().InFlight, "a neighbour's room")
		for i := range 5000 {
			require.Equal(t, i, (<-out).Pass())
		}
		<-ctl.Done()
		require.NoError(t, ctl.Err())
	}, kafkatest.Topics(3, "out"))
}

func TestEnvelopeLargerThanTheWindowGoesAlone(t *testing.T) {
	grouptest.OnBroker(t, func(t *testing.T, k *kafkatest.Broker) {
		cl := client(t, sets(k, settings.Window(10, 1000)))
		many := make([]record, 25)
		for i := range many {
			many[i] = *envelope.New("out", "k", "v")
		}
		large := *envelope.New("out", "k", strings.Repeat("v", 2000))
		small := *envelope.New("out", "k", "v")
		release := k.HoldAcks()
		in, out := make(chan env, 10), make(chan res, 10)
		for _, e := range []env{
			envelope.Single(small, 0), envelope.Multi(many, 1), envelope.Single(small, 2), envelope.Single(large, 3), envelope.Single(small, 4),
		} {
			in <- e
		}
		ctl := grouptest.Start(t, stream.Via(stream.FromChan(in), producer.FlexiFlow[int](bare(k), producer.On(cl))).To(stream.ToChan(out)))
		rest()
		require.EqualValues(t, 1, cl.Metrics().InFlight, "the large one waits until it is alone")
		release()
		rest()
		require.Len(t, out, 5)
		for i := range 5 {
			require.Equal(t, i, (<-out).Pass())
		}
		release = k.HoldAcks()
		in <- envelope.Multi(many, 5)
		in <- envelope.Single(small, 6)
		rest()
		require.EqualValues(t, 25, cl.Metrics().InFlight, "and nothing goes beside it")
		release()
		require.NoError(t, ctl.Drain(t.Context()))
		require.Len(t, out, 2)
	}, kafkatest.Topics(1, "out"))
}

// Two streams and an Element share a client, and so a window, while acknowledgements are withheld;
// afterwards all of them finish.
func TestOneWindowForAllWhoShareAClient(t *testing.T) {
	grouptest.OnBroker(t, func(t *testing.T, k *kafkatest.Broker) {
		release := k.HoldAcks()
		cl := client(t, sets(k, settings.Window(100, unbounded)))
		on := producer.On(cl)
		out := make(chan res, 1000)
		a := grouptest.Start(t, stream.FromSlice(numbered("a", 1000)).To(producer.PlainSink(bare(k), on)))
		b := grouptest.Start(t, stream.Via(stream.FromSlice(singles(numbered("b", 1000))), producer.FlexiFlow[int](bare(k), on)).To(stream.ToChan(out)))
		p := element(t, bare(k), on)
		var sent sync.WaitGroup
		var failed atomic.Int64
		for i, r := range numbered("c", 50) {
			sent.Go(func() {
				var err error
				if i%2 == 0 {
					_, err = p.Send(t.Context(), r)
				} else {
					_, err = producer.SendEnvelope(t.Context(), p, envelope.Single(*r, i))
				}
				if err != nil {
					failed.Add(1)
				}
			})
		}
		<-time.After(5 * time.Minute / 10)
		synctest.Wait()
		m := cl.Metrics()
		require.EqualValues(t, 100, m.InFlight)
		require.GreaterOrEqual(t, m.Waiting, 2)
		require.Zero(t, m.Acknowledged+m.Failed)
		release()
		<-a.Done()
		<-b.Done()
		sent.Wait()
		require.NoError(t, a.Err())
		require.NoError(t, b.Err())
		require.Zero(t, failed.Load())
		require.Len(t, out, 1000)
		requireAll(t, k, "a", 1000)
		requireAll(t, k, "b", 1000)
		require.Len(t, kafkatest.ReadAll(t, k, "c"), 50)
		m = cl.Metrics()
		require.EqualValues(t, 2050, m.Acknowledged)
		require.Zero(t, m.InFlight+int64(m.Waiting))
	}, kafkatest.Topics(2, "a", "b", "c"))
}

// Everybody gets his turn: a sender that comes once is not starved by streams that always want
// more.
func TestNobodyStarvesAtTheWindow(t *testing.T) {
	grouptest.OnBroker(t, func(t *testing.T, k *kafkatest.Broker) {
		cl := client(t, sets(k, settings.Window(10, unbounded), settings.Linger(0)))
		on := producer.On(cl)
		k.Delay(10 * time.Millisecond)
		endless := stream.FromFunc(func(_ context.Context, emit func(*record) bool) error {
			for emit(envelope.New("out", "k", "v")) {
			}
			return nil
		})
		a := grouptest.Start(t, endless.To(producer.PlainSink(bare(k), on)))
		b := grouptest.Start(t, endless.To(producer.PlainSink(bare(k), on)))
		p := element(t, bare(k), on)
		for range 20 {
			at := time.Now()
			_, err := p.Send(t.Context(), envelope.New("out", "k", "v"))
			require.NoError(t, err)
			require.Less(t, time.Since(at), 200*time.Millisecond)
			// An envelope as large as the window is not starved by small ones either.
			many := make([]record, 10)
			for i := range many {
				many[i] = *envelope.New("out", "k", "v")
			}
			at = time.Now()
			_, err = stream.Collect(t.Context(), stream.Via(stream.FromSlice([]env{envelope.Multi(many, 0)}), producer.FlexiFlow[int](bare(k), on)))
			require.NoError(t, err)
			require.Less(t, time.Since(at), 200*time.Millisecond)
		}
		k.Delay(0)
		require.NoError(t, a.Drain(t.Context()))
		require.NoError(t, b.Drain(t.Context()))
	}, kafkatest.Topics(1, "out"))
}

// What one flow's results wait for is no room in the window: with results that nobody takes, and
// envelopes that need all of the window, its neighbours go on.
func TestSlowNeighbourHoldsNobody(t *testing.T) {
	grouptest.OnBroker(t, func(t *testing.T, k *kafkatest.Broker) {
		cl := client(t, sets(k, settings.Window(16, unbounded)))
		on := producer.On(cl)
		many := make([]record, 16)
		for i := range many {
			many[i] = *envelope.New("slow", "k", "v")
		}
		var envs []env
		for i := range 100 {
			envs = append(envs, envelope.Multi(many, i))
		}
		never := make(chan res)
		slow := grouptest.Start(t, stream.Via(stream.FromSlice(envs), producer.FlexiFlow[int](bare(k), on)).To(stream.ToChan(never)))
		rest()
		at := time.Now()
		require.NoError(t, stream.FromSlice(numbered("out", 2000)).To(producer.PlainSink(bare(k), on)).Run(t.Context()))
		require.Less(t, time.Since(at), 10*time.Second)
		requireAll(t, k, "out", 2000)
		slow.Stop()
		<-slow.Done()
	}, kafkatest.Topics(2, "slow", "out"))
}

// Neither a downstream that takes nothing, nor a callback that does not return, holds up the
// client.
func TestPromisesNeverBlock(t *testing.T) {
	grouptest.OnBroker(t, func(t *testing.T, k *kafkatest.Broker) {
		cl := client(t, sets(k))
		on := producer.On(cl)
		never, blocked := make(chan res), make(chan struct{})
		slow := grouptest.Start(t, stream.Via(stream.FromSlice(singles(numbered("slow", 1000))), producer.FlexiFlow[int](bare(k), on)).To(stream.ToChan(never)))
		p := element(t, bare(k), on)
		var called atomic.Int64
		for range 10 {
			require.NoError(t, p.SendAsync(t.Context(), envelope.New("slow", "k", "v"), func(envelope.Metadata, error) {
				called.Add(1)
				<-blocked
			}))
		}
		rest()
		require.EqualValues(t, 1, called.Load(), "the others wait for the first, and the client does not")
		require.NoError(t, stream.FromSlice(numbered("out", 5000)).To(producer.PlainSink(bare(k), on)).Run(t.Context()))
		requireAll(t, k, "out", 5000)
		_, err := p.Send(t.Context(), envelope.New("slow", "k", "v"))
		require.NoError(t, err)
		require.EqualValues(t, 6011, cl.Metrics().Acknowledged)
		close(blocked)
		slow.Stop()
		<-slow.Done()
	}, kafkatest.Topics(2, "slow", "out"))
}

// The end of a stream waits for its own records, not for those of a neighbour that never stops, nor
// for those that a neighbour's broker does not acknowledge.
func TestEndDoesNotWaitForTheNeighbours(t *testing.T) {
	type ender func(t *testing.T, k *kafkatest.Broker, on producer.Option)
	ends := map[string]ender{
		"completion": func(t *testing.T, k *kafkatest.Broker, on producer.Option) {
			require.NoError(t, stream.FromSlice(numbered("b", 100)).To(producer.PlainSink(bare(k), on)).Run(t.Context()))
		},
		"drain": func(t *testing.T, k *kafkatest.Broker, on producer.Option) {
			in := make(chan env, 100)
			for _, e := range singles(numbered("b", 100)) {
				in <- e
			}
			ctl := grouptest.Start(t, stream.Via(stream.FromChan(in), producer.FlexiFlow[int](bare(k), on)).To(stream.Ignore[res]()))
			rest()
			require.NoError(t, ctl.Drain(t.Context()))
		},
		"Element": func(t *testing.T, k *kafkatest.Broker, on producer.Option) {
			p := element(t, bare(k), on)
			for _, r := range numbered("b", 100) {
				_, err := p.SendFuture(t.Context(), r)
				require.NoError(t, err)
			}
			require.NoError(t, p.Close(t.Context()))
		},
	}
	neighbours := map[string]func(t *testing.T, k *kafkatest.Broker, on producer.Option){
		"that never stops": func(t *testing.T, k *kafkatest.Broker, on producer.Option) {
			k.Delay(20 * time.Millisecond)
			endless := stream.FromFunc(func(_ context.Context, emit func(*record) bool) error {
				for emit(envelope.New("a", "k", "v")) {
				}
				return nil
			})
			grouptest.Start(t, endless.To(producer.PlainSink(bare(k), on)))
		},
		"that waits for its acknowledgements": func(t *testing.T, k *kafkatest.Broker, on producer.Option) {
			t.Cleanup(k.HoldAcks("a"))
			grouptest.Start(t, stream.FromSlice(numbered("a", 10)).To(producer.PlainSink(bare(k), on)))
		},
	}
	for name, neighbour := range neighbours {
		for what, end := range ends {
			for _, linger := range []time.Duration{0, 5 * time.Millisecond, 30 * time.Second} {
				t.Run(fmt.Sprint(what, " beside one ", name, ", linger ", linger), func(t *testing.T) {
					grouptest.OnBroker(t, func(t *testing.T, k *kafkatest.Broker) {
						apart(t, k, "a", "b")
						cl := client(t, sets(k, settings.Window(200, unbounded), settings.Linger(linger)))
						neighbour(t, k, producer.On(cl))
						rest()
						at := time.Now()
						end(t, k, producer.On(cl))
						require.Less(t, time.Since(at), 4*time.Second)
						requireAll(t, k, "b", 100)
					}, kafkatest.Brokers(2), kafkatest.Topics(1, "a", "b"))
				})
			}
		}
	}
}

// A stream that is stopped hard leaves its records to the client, and its neighbours alone.
func TestHardStopOfANeighbour(t *testing.T) {
	grouptest.OnBroker(t, func(t *testing.T, k *kafkatest.Broker) {
		release := k.HoldAcks()
		cl := client(t, sets(k, settings.Window(1000, unbounded)))
		on := producer.On(cl)
		out := make(chan res, 2000)
		inA := make(chan *record, 300)
		for _, r := range numbered("a", 300) {
			inA <- r
		}
		a := grouptest.Start(t, stream.FromChan(inA).To(producer.PlainSink(bare(k), on)))
		inC := make(chan env, 200)
		for _, e := range singles(numbered("c", 200)) {
			inC <- e
		}
		c := grouptest.Start(t, stream.Via(stream.FromChan(inC), producer.FlexiFlow[int](bare(k), on)).To(stream.Ignore[res]()))
		rest()
		b := grouptest.Start(t, stream.Via(stream.FromSlice(singles(numbered("b", 2000))), producer.FlexiFlow[int](bare(k), on)).To(stream.ToChan(out)))
		rest()
		at := time.Now()
		a.Stop()
		c.Stop()
		<-a.Done()
		<-c.Done()
		require.Equal(t, stream.DefaultCloseTimeout, time.Since(at), "outcomes were waited for")
		for ctl, n := range map[*stream.Control]int64{a: 300, c: 200} {
			require.ErrorIs(t, ctl.Err(), stream.ErrStopped)
			var o *producer.OutcomeError
			require.ErrorAs(t, ctl.Err(), &o)
			require.Equal(t, producer.OutcomeError{Unknown: n, Err: context.DeadlineExceeded}, *o)
		}
		require.EqualValues(t, 1000, cl.Metrics().InFlight)
		release()
		<-b.Done()
		require.NoError(t, b.Err())
		require.Len(t, out, 2000)
		requireAll(t, k, "b", 2000)
		requireAll(t, k, "a", 300) // unknown, and written
		requireAll(t, k, "c", 200)
		require.Zero(t, cl.Metrics().Failed)
	}, kafkatest.Topics(3, "a", "b", "c"))
}

// An acknowledgement that comes when the run is over marks nothing, and is nobody's result.
func TestAcknowledgementBehindTheEnd(t *testing.T) {
	grouptest.OnBroker(t, func(t *testing.T, k *kafkatest.Broker) {
		release := k.HoldAcks()
		cl := client(t, sets(k))
		src := streamtest.NewTracked[*record](1)
		src.Append(0, numbered("out", 600)...)
		src.End()
		recs := stream.Map(src.Source(), func(m *streamtest.TrackedMessage[*record]) *record { return m.Value })
		for range 3 {
			ctl := grouptest.Start(t, recs.To(producer.PlainSink(bare(k), producer.On(cl))))
			rest()
			ctl.Stop()
			<-ctl.Done()
			require.Equal(t, producer.OutcomeError{Unknown: 600}, outcomes(t, ctl.Err()))
		}
		require.EqualValues(t, 1800, cl.Metrics().InFlight)
		var committed atomic.Int64
		src.OnCommit(func(_ int32, offset int64) { committed.Store(offset) })
		again := grouptest.Start(t, recs.Divert(func(*record) bool { return true }, stream.ForEach(func(ctx context.Context, _ *record) error {
			<-ctx.Done() // its records are on their way again, and not finished
			return ctx.Err()
		})).To(producer.PlainSink(bare(k), producer.On(cl))))
		rest()
		release()
		require.NoError(t, cl.Flush(t.Context()))
		require.EqualValues(t, 1800, cl.Metrics().Acknowledged)
		require.Zero(t, src.Committed(0))
		require.Zero(t, committed.Load())
		again.Stop()
		<-again.Done()
		require.Zero(t, countOutcomes(again.Err()), "what an earlier run has sent is none of its business: %v", again.Err())
		require.NoError(t, recs.To(producer.PlainSink(bare(k), producer.On(cl))).Run(t.Context()))
		require.EqualValues(t, 600, src.Committed(0))
		require.Len(t, kafkatest.ReadAll(t, k, "out"), 2400)
	}, kafkatest.Topics(3, "out"))
}
