package producer_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/internal/testlog"
	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/producer"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

func TestElementSends(t *testing.T) {
	k := kafkatest.Start(t, kafkatest.Topics(1, "out"), kafkatest.InMemory())
	p := element(t, sets(k))
	md, err := p.Send(t.Context(), envelope.New("out", "key", "value"))
	require.NoError(t, err)
	require.Equal(t, envelope.Metadata{Topic: "out", Timestamp: md.Timestamp, KeySize: 3, ValueSize: 5}, md)
	f, err := p.SendFuture(t.Context(), envelope.NewTombstone[string]("out", "key"))
	require.NoError(t, err)
	<-f.Done()
	md, err = f.Wait(t.Context())
	require.NoError(t, err)
	require.Equal(t, envelope.Metadata{Topic: "out", Offset: 1, Timestamp: md.Timestamp, KeySize: 3, ValueSize: -1}, md)
	again, err := f.Wait(t.Context())
	require.NoError(t, err)
	require.Equal(t, md, again)
	require.Len(t, kafkatest.ReadAll(t, k, "out"), 2)
	m := p.Metrics()
	require.EqualValues(t, 2, m.Acknowledged)
	require.Zero(t, m.InFlight+m.Failed)
	require.NoError(t, p.Client().Kgo().Ping(t.Context()))
}

func TestElementSendsEnvelopes(t *testing.T) {
	k := kafkatest.Start(t, kafkatest.Topics(2, "out"), kafkatest.InMemory())
	p := element(t, sets(k))
	envs := []env{
		envelope.Single(*envelope.New("out", "k", "0.0"), 0),
		envelope.Multi([]record{*envelope.New("out", "k", "1.0"), *envelope.New("out", "l", "1.1")}, 1),
		envelope.Multi[string, string](nil, 2),
		envelope.PassThrough[string, string](3),
		envelope.Single(*envelope.New("out", "k", "4.0"), 4),
	}
	var results []res
	for _, e := range envs {
		r, err := producer.SendEnvelope(t.Context(), p, e)
		require.NoError(t, err)
		results = append(results, r)
	}
	there := written(t, k, "out")
	require.Len(t, there, 4)
	for i, r := range results {
		requireResult(t, i, envs[i], r, there)
		require.Equal(t, i, r.Pass())
	}
}

// Callbacks come in the order of the outcomes, which for one partition is that of the calls, one at
// a time.
func TestCallbacksComeInOrder(t *testing.T) {
	k := kafkatest.Start(t, kafkatest.Topics(1, "out"), kafkatest.InMemory())
	p := element(t, sets(k, settings.Window(100, unbounded)))
	var order []int64 // one at a time: no lock
	for i, r := range numbered("out", 2000) {
		require.NoError(t, p.SendAsync(t.Context(), r, func(md envelope.Metadata, err error) {
			if err != nil {
				md.Offset = -1
			}
			if i%100 == 0 {
				runtime.Gosched()
			}
			order = append(order, md.Offset)
		}))
	}
	require.NoError(t, p.SendAsync(t.Context(), envelope.New("out", "k", "v"), nil), "nobody wants to know")
	require.NoError(t, p.Close(t.Context()))
	require.Len(t, order, 2000)
	for i, offset := range order {
		require.EqualValues(t, i, offset)
	}
}

// A callback that panics is logged; those after it are called all the same.
func TestCallbackThatPanics(t *testing.T) {
	k := kafkatest.Start(t, kafkatest.Topics(1, "out"), kafkatest.InMemory())
	j := &testlog.Log{}
	p := element(t, sets(k, j.Option()))
	var called atomic.Int64
	for i, r := range numbered("out", 3) {
		require.NoError(t, p.SendAsync(t.Context(), r, func(envelope.Metadata, error) {
			called.Add(1)
			if i == 1 {
				panic("oh dear")
			}
		}))
	}
	require.NoError(t, p.Close(t.Context()))
	require.EqualValues(t, 3, called.Load())
	require.Equal(t, 1, j.Count("oh dear"))
	require.Contains(t, j.String(), "TestCallbackThatPanics", "the stack")
}

// A callback that ends its goroutine, as a failed assertion in a test does, takes none of the
// others along.
func TestCallbackThatEndsItsGoroutine(t *testing.T) {
	k := kafkatest.Start(t, kafkatest.Topics(1, "out"), kafkatest.InMemory())
	p := element(t, sets(k))
	var called atomic.Int64
	for _, r := range numbered("out", 50) {
		require.NoError(t, p.SendAsync(t.Context(), r, func(envelope.Metadata, error) {
			if called.Add(1)%10 == 1 {
				runtime.Goexit()
			}
		}))
	}
	require.NoError(t, p.Close(t.Context()))
	require.EqualValues(t, 50, called.Load())
}

// Whoever stops waiting for a record leaves it to the client: its outcome is nobody else's. A
// record that the client has not given a partition by then is taken back instead, and is never
// written.
func TestSendWhoseContextEnds(t *testing.T) {
	k := kafkatest.Start(t, kafkatest.Topics(1, "out"), kafkatest.InMemory())
	sendersGiveUp(t, k, func(p *producer.Element[string, string]) {
		k.AwaitHeld(t, 1)
		awaitInFlight(p, 100)
	})
}

// sendersGiveUp has 100 senders give up, three times over, while acknowledgements are withheld:
// once await has returned. It returns how many of their records were taken back.
func sendersGiveUp(t *testing.T, k *kafkatest.Broker, await func(*producer.Element[string, string])) (takenBack int) {
	t.Helper()
	p := element(t, sets(k, settings.Window(1000, unbounded)))
	cause := errors.New("no patience")
	for round := range 3 {
		release := k.HoldAcks()
		t.Cleanup(release) // else the Element's end waits for what is withheld
		ctx, cancel := context.WithCancelCause(t.Context())
		var impatient sync.WaitGroup
		outcomes := make([]error, 100)
		for i := range outcomes {
			impatient.Go(func() {
				_, outcomes[i] = p.Send(ctx, envelope.New("out", "impatient", fmt.Sprint("impatient", round, "/", i)))
			})
		}
		await(p)
		f, err := p.SendFuture(t.Context(), envelope.New("out", "k", "v"))
		require.NoError(t, err)
		cancel(cause)
		impatient.Wait()
		_, err = f.Wait(ctx)
		require.ErrorIs(t, err, producer.ErrUnknownOutcome)
		_, err = p.Send(ctx, envelope.New("out", "k", "v"))
		require.ErrorIs(t, err, cause)
		require.NotErrorIs(t, err, producer.ErrUnknownOutcome, "it was not sent")
		// Many others, while the late outcomes come in.
		var others sync.WaitGroup
		var failed atomic.Int64
		places := make([]envelope.Metadata, 500)
		for i := range places {
			others.Go(func() {
				md, err := p.Send(t.Context(), envelope.New("out", "other", fmt.Sprint("other", i)))
				if err != nil {
					failed.Add(1)
				}
				places[i] = md
			})
		}
		release()
		others.Wait()
		require.Zero(t, failed.Load())
		_, err = f.Wait(t.Context())
		require.NoError(t, err)
		there := written(t, k, "out")
		for i, md := range places {
			require.Equal(t, fmt.Sprint("other", i), string(there[place{md.Topic, md.Partition, md.Offset}].Value))
		}
		times := map[string]int{}
		for _, r := range there {
			times[string(r.Value)]++
		}
		for i, err := range outcomes {
			require.ErrorIs(t, err, cause)
			expected := 1
			if errors.Is(err, producer.ErrTakenBack) {
				takenBack++
				expected = 0
			} else {
				require.ErrorIs(t, err, producer.ErrUnknownOutcome)
			}
			require.Equal(t, expected, times[fmt.Sprint("impatient", round, "/", i)], "%v", err)
		}
	}
	require.Len(t, kafkatest.ReadAll(t, k, "out"), 3*(101+500)-takenBack)
	return takenBack
}

func awaitInFlight(p *producer.Element[string, string], n int64) {
	for p.Metrics().InFlight < n {
		runtime.Gosched()
	}
}

func awaitWaiting(cl *producer.Client, n int) {
	for cl.Metrics().Waiting < n {
		runtime.Gosched()
	}
}

// A sender that waits for the window can give up; it has not been sent then.
func TestSendThatWaitsForTheWindow(t *testing.T) {
	k := kafkatest.Start(t, kafkatest.Topics(1, "out"), kafkatest.InMemory())
	p := element(t, sets(k, settings.Window(1, unbounded)))
	release := k.HoldAcks()
	first, err := p.SendFuture(t.Context(), envelope.New("out", "k", "first"))
	require.NoError(t, err)
	ctx, cancel := context.WithCancelCause(t.Context())
	waiting := make(chan error, 1)
	go func() {
		_, err := p.Send(ctx, envelope.New("out", "k", "second"))
		waiting <- err
	}()
	awaitWaiting(p.Client(), 1)
	cause := errors.New("no patience")
	cancel(cause)
	err = <-waiting
	require.ErrorIs(t, err, cause)
	require.ErrorIs(t, err, producer.ErrWindowFull)
	require.NotErrorIs(t, err, producer.ErrUnknownOutcome)
	release()
	_, err = first.Wait(t.Context())
	require.NoError(t, err)
	_, err = p.Send(t.Context(), envelope.New("out", "k", "third"))
	require.NoError(t, err)
	require.Equal(t, []string{"first", "third"}, values(kafkatest.ReadAll(t, k, "out")))
}

func TestElementOfManyGoroutines(t *testing.T) {
	k := kafkatest.Start(t, kafkatest.Topics(4, "out"), kafkatest.InMemory())
	cl := client(t, sets(k, settings.Window(50, 2000)))
	p := element(t, bare(k), producer.On(cl))
	var senders sync.WaitGroup
	var failed, called atomic.Int64
	recs := numbered("out", 4000)
	for g := range 8 {
		senders.Go(func() {
			for i := g * 500; i < (g+1)*500; i++ {
				var err error
				switch i % 4 {
				case 0:
					_, err = p.SendFuture(t.Context(), recs[i])
				case 1, 2:
					err = p.SendAsync(t.Context(), recs[i], func(_ envelope.Metadata, err error) {
						if err == nil {
							called.Add(1)
						}
					})
				default:
					if i%8 == 3 {
						err = p.Flush(t.Context())
					}
					_, err2 := p.Send(t.Context(), recs[i])
					err = errors.Join(err, err2)
					_ = p.Metrics()
				}
				if err != nil {
					failed.Add(1)
				}
			}
		})
	}
	senders.Wait()
	require.NoError(t, p.Close(t.Context()))
	require.Zero(t, failed.Load())
	require.EqualValues(t, 2000, called.Load())
	require.EqualValues(t, 4000, cl.Metrics().Acknowledged)
	seen := map[string]int{}
	for _, v := range values(kafkatest.ReadAll(t, k, "out")) {
		seen[v]++
	}
	require.Len(t, seen, 4000)
}

func TestElementIsClosed(t *testing.T) {
	k := kafkatest.Start(t, kafkatest.Topics(1, "out"), kafkatest.InMemory())
	cl := client(t, sets(k))
	for name, p := range map[string]*producer.Element[string, string]{
		"owned": element(t, sets(k)), "shared": element(t, bare(k), producer.On(cl)),
	} {
		f, err := p.SendFuture(t.Context(), envelope.New("out", "k", "v"))
		require.NoError(t, err, name)
		require.NoError(t, p.Close(t.Context()))
		_, err = f.Wait(t.Context())
		require.NoError(t, err, "what was sent before is waited for")
		require.NoError(t, p.Close(t.Context()), "twice is harmless")
		_, err = p.Send(t.Context(), envelope.New("out", "k", "v"))
		require.ErrorIs(t, err, producer.ErrClosed)
		_, err = p.SendFuture(t.Context(), envelope.New("out", "k", "v"))
		require.ErrorIs(t, err, producer.ErrClosed)
		require.ErrorIs(t, p.SendAsync(t.Context(), envelope.New("out", "k", "v"), func(envelope.Metadata, error) { t.Error("called") }), producer.ErrClosed)
		require.Zero(t, p.Metrics().InFlight)
	}
	require.NoError(t, cl.Reach(t.Context()), "it is not the Element's")
	require.Len(t, kafkatest.ReadAll(t, k, "out"), 2)
}

// Senders and closers at the same time: each record is sent, and acknowledged, or was refused.
func TestElementIsClosedWhileItIsUsed(t *testing.T) {
	k := kafkatest.Start(t, kafkatest.Topics(1, "out"), kafkatest.InMemory())
	for round := range 10 {
		p := element(t, sets(k, settings.Window(3, unbounded)))
		topic := "out"
		before := len(kafkatest.ReadAll(t, k, topic))
		var senders sync.WaitGroup
		var sent, odd atomic.Int64
		begun := make(chan struct{}, 1000)
		for range 8 {
			senders.Go(func() {
				for {
					_, err := p.Send(context.Background(), envelope.New(topic, "k", strings.Repeat("v", 10)))
					begun <- struct{}{}
					switch {
					case err == nil:
						sent.Add(1)
						continue
					case !errors.Is(err, producer.ErrClosed):
						odd.Add(1)
					}
					return
				}
			})
		}
		go func() {
			for range begun { // emptied, so that nobody waits
			}
		}()
		<-begun
		var closers sync.WaitGroup
		for range 2 {
			closers.Go(func() { _ = p.Close(context.Background()) })
		}
		closers.Wait()
		senders.Wait()
		close(begun)
		require.Zero(t, odd.Load(), "round %d", round)
		require.EqualValues(t, sent.Load(), len(kafkatest.ReadAll(t, k, topic))-before)
	}
}

// Closing a shared client waits for what is in flight, and refuses what comes later.
func TestClientIsClosedUnderAnElement(t *testing.T) {
	k := kafkatest.Start(t, kafkatest.Topics(1, "out"), kafkatest.InMemory())
	cl := client(t, sets(k))
	p := element(t, bare(k), producer.On(cl))
	f, err := p.SendFuture(t.Context(), envelope.New("out", "k", "v"))
	require.NoError(t, err)
	require.NoError(t, cl.Close(t.Context()))
	_, err = f.Wait(t.Context())
	require.NoError(t, err)
	_, err = p.Send(t.Context(), envelope.New("out", "k", "v"))
	require.ErrorIs(t, err, producer.ErrClosed)
	require.ErrorIs(t, stream.FromSlice(numbered("out", 1)).To(producer.PlainSink(bare(k), producer.On(cl))).Run(t.Context()), producer.ErrClosed)
}
