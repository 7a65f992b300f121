//go:build synctests

package producer_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/producer"
	"github.com/vicuna-go/vicuna/settings"
)

// Close waits for outcomes up to the close time-out. What has none then is failed, or left to the
// shared client; who waits for the window is refused at once.
func TestElementIsClosedWithoutAcknowledgements(t *testing.T) {
	both(t, []settings.ProducerOption{settings.Window(5, unbounded), settings.CloseTimeout(7 * time.Second)}, func(t *testing.T, k *kafkatest.Broker, ps settings.Producer[string, string], on ...producer.Option) {
		release := k.HoldAcks()
		p := element(t, ps, on...)
		var futures []*producer.Future
		for _, r := range numbered("out", 4) {
			f, err := p.SendFuture(t.Context(), r)
			require.NoError(t, err)
			futures = append(futures, f)
		}
		called := make(chan error, 1)
		require.NoError(t, p.SendAsync(t.Context(), envelope.New("out", "k", "v"), func(_ envelope.Metadata, err error) { called <- err }))
		waiting := make(chan error, 3)
		for range cap(waiting) {
			go func() {
				_, err := p.Send(context.Background(), envelope.New("out", "k", "v"))
				waiting <- err
			}()
		}
		rest()
		require.Equal(t, 3, p.Metrics().Waiting)
		at := time.Now()
		closed := make(chan error, 1)
		go func() { closed <- p.Close(context.Background()) }()
		for range cap(waiting) {
			require.ErrorIs(t, <-waiting, producer.ErrClosed)
		}
		require.Zero(t, time.Since(at))
		err := <-closed
		require.Equal(t, 7*time.Second, time.Since(at))
		require.Equal(t, producer.OutcomeError{Unknown: 5}, outcomes(t, err))
		if len(on) == 0 {
			for _, f := range futures {
				_, err := f.Wait(t.Context())
				require.ErrorIs(t, err, producer.ErrClosed)
			}
			require.ErrorIs(t, <-called, producer.ErrClosed)
			release()
			return
		}
		release()
		for _, f := range futures {
			_, err := f.Wait(t.Context())
			require.NoError(t, err)
		}
		require.NoError(t, <-called)
	}, kafkatest.Topics(1, "out"))
}

// The context of Close bounds it as well, and a callback that does not return holds it up no longer
// than that.
func TestElementIsClosedWithoutPatience(t *testing.T) {
	both(t, nil, func(t *testing.T, k *kafkatest.Broker, ps settings.Producer[string, string], on ...producer.Option) {
		p := element(t, ps, on...)
		never := make(chan struct{})
		defer close(never)
		require.NoError(t, p.SendAsync(t.Context(), envelope.New("out", "k", "v"), func(envelope.Metadata, error) { <-never }))
		rest()
		at := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		require.ErrorIs(t, p.Close(ctx), context.DeadlineExceeded)
		require.Equal(t, 2*time.Second, time.Since(at))
	}, kafkatest.Topics(1, "out"))
	both(t, nil, func(t *testing.T, k *kafkatest.Broker, ps settings.Producer[string, string], on ...producer.Option) {
		p := element(t, ps, on...)
		var closed atomic.Bool
		require.NoError(t, p.SendAsync(t.Context(), envelope.New("out", "k", "v"), func(envelope.Metadata, error) {
			_ = p.Close(context.Background()) // in a callback, which it waits for
			closed.Store(true)
		}))
		<-time.After(20 * time.Second)
		require.True(t, closed.Load())
	}, kafkatest.Topics(1, "out"))
}

// An Element of a client whose broker is gone.
func TestElementWithoutABroker(t *testing.T) {
	bothOn(t, kafkatest.Virtual, []settings.ProducerOption{settings.DeliveryTimeout(30 * time.Second)}, func(t *testing.T, k *kafkatest.Broker, ps settings.Producer[string, string], on ...producer.Option) {
		p := element(t, ps, on...)
		_, err := p.Send(t.Context(), envelope.New("out", "k", "v"))
		require.NoError(t, err)
		k.Kill()
		at := time.Now()
		_, err = p.Send(t.Context(), envelope.New("out", "k", "v"))
		var d *producer.DeliveryTimeoutError
		require.ErrorAs(t, err, &d)
		require.GreaterOrEqual(t, time.Since(at), 30*time.Second)
		require.Less(t, time.Since(at), 40*time.Second)
		k.Restart(t)
		_, err = p.Send(t.Context(), envelope.New("out", "k", "v"))
		require.NoError(t, err)
	}, kafkatest.Topics(1, "out"))
}

// A window that lingering records have filled does not wait for the linger, whoever they belong to.
func TestElementAtAWindowThatLingers(t *testing.T) {
	both(t, []settings.ProducerOption{settings.Window(5, unbounded), settings.Linger(time.Minute)}, func(t *testing.T, k *kafkatest.Broker, ps settings.Producer[string, string], on ...producer.Option) {
		p := element(t, ps, on...)
		at := time.Now()
		for _, r := range numbered("out", 100) {
			_, err := p.SendFuture(t.Context(), r)
			require.NoError(t, err)
		}
		require.NoError(t, p.Flush(t.Context()))
		require.Less(t, time.Since(at), 5*time.Second)
		requireAll(t, k, "out", 100)
	}, kafkatest.Topics(1, "out"))
}

// What the client has given a partition is never taken back, and no sender that gives up is told
// that it was.
func TestSendWhoseContextEndsAfterTheClientHasTheRecord(t *testing.T) {
	grouptest.OnBroker(t, func(t *testing.T, k *kafkatest.Broker) {
		require.Zero(t, sendersGiveUp(t, k, func(*producer.Element[string, string]) { rest() }))
	}, kafkatest.Topics(1, "out"))
}
