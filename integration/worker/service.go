package worker

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/producer"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// Service makes a worker a service: for each record it calls something that is slow and fails now
// and then, and it tries again until that has answered.
type Service struct {
	// Shortest and Longest bound the time of a call, which is random.
	Shortest, Longest time.Duration
	// Failing is the part of the calls that fail, from 0 to 1; for one record twice in a row at
	// most, as how long an end takes where the dependency is well is no matter of luck.
	Failing float64
	// GivesUp makes the service wrong: what has failed when the worker is asked to end is not
	// tried again, while all that was called after it is written. It is there to be caught.
	GivesUp bool
}

// errAway is what a call fails with.
var errAway = errors.New("the dependency is away for a moment")

// again are the pauses between two attempts: short beside a drain, long beside a call, so that at
// any moment some records wait for one.
var again = stream.Backoff{First: 100 * time.Millisecond, Max: time.Second}

// serveOrders runs until the context ends and what has begun is finished.
func serveOrders(ctx context.Context, s Settings, p *pace, cs settings.Consumer[string, []byte], ps settings.Producer[string, []byte], log *slog.Logger) error {
	if s.Service.GivesUp {
		return giveUpAtTheEnd(ctx, s, p, cs, ps, log)
	}
	made := stream.MapAsync(source(s, cs, log), s.parallel(), s.caller(p), stream.OnError(stream.Retry(again)))
	return made.To(producer.CommittableSink(ps, s.committer())).Run(ctx, stream.DrainTimeout(drainTimeout))
}

// caller is a call of the dependency, and the outputs that follow from it, as a stage.
func (s Settings) caller(p *pace) func(context.Context, *message) (outputs, error) {
	var failed sync.Map // how often the calls for a record have, by its place
	fails := func(m *message) bool {
		if rand.Float64() >= s.Service.Failing {
			return false
		}
		n, _ := failed.LoadOrStore([2]int64{int64(m.Partition()), m.Record.Offset()}, new(atomic.Int64))
		return n.(*atomic.Int64).Add(1) <= 2
	}
	return func(ctx context.Context, m *message) (outputs, error) {
		if err := p.queue(ctx); err != nil { // as anything that admits so many calls in a second
			return nil, err
		}
		d := s.Service.Shortest + rand.N(s.Service.Longest-s.Service.Shortest+1)
		if err := sleep(ctx, p.hurry, d); err != nil {
			return nil, err
		}
		if fails(m) {
			return nil, errAway
		}
		return s.outputs(ctx, p, m)
	}
}

// giveUpTimeout bounds the end of the service that gives up: nobody answers for what it has given
// up, so its end comes no sooner. All else that has begun is finished by then.
const giveUpTimeout = time.Second

// giveUpAtTheEnd is the mistake that the verifier has to catch. The calls are made in a second
// stream, so that no rule of the first one keeps what follows a record that was given up from being
// written.
func giveUpAtTheEnd(ctx context.Context, s Settings, p *pace, cs settings.Consumer[string, []byte], ps settings.Producer[string, []byte], log *slog.Logger) error {
	work, room := make(chan *message), make(chan struct{}, s.parallel())
	call := s.caller(p)
	ended := make(chan error, 1)
	go func() {
		made := stream.MapAsync(stream.FromChan(work), s.parallel(), func(_ context.Context, m *message) (outputs, error) {
			return tryUntilTheEnd(ctx, m, call)
		}).Filter(func(out outputs) bool {
			<-room
			return out != nil
		})
		ended <- made.To(producer.CommittableSink(ps, s.committer())).Run(context.Background())
	}()
	err := stream.Map(source(s, cs, log, consumer.CommitsElsewhere()), func(m *message) *message {
		room <- struct{}{} // no more than it can work on are handed over
		return m
	}).To(stream.ToChan(work)).Run(ctx, stream.DrainTimeout(giveUpTimeout), stream.CloseTimeout(giveUpTimeout))
	close(work)
	if errors.Is(err, stream.ErrDrainTimeout) {
		err = stream.ErrDrained // for what was given up
	}
	return errors.Join(err, <-ended)
}

// tryUntilTheEnd gives nothing, and no error, when the context has ended and the call has failed.
func tryUntilTheEnd(ctx context.Context, m *message, call func(context.Context, *message) (outputs, error)) (outputs, error) {
	for {
		out, err := call(context.WithoutCancel(ctx), m)
		if err == nil || ctx.Err() != nil {
			return out, nil
		}
		timer := time.NewTimer(again.First)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, nil
		case <-timer.C:
		}
	}
}
