package stream

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"github.com/vicuna-go/vicuna/internal/core"
)

// Option is an option of an operator.
type Option interface{ configure(*stageConfig) }

type stageConfig struct{ policy Policy }

func configure(opts []Option) stageConfig {
	cfg := stageConfig{policy: Stop()}
	for _, o := range opts {
		o.configure(&cfg)
	}
	return cfg
}

type optionFunc func(*stageConfig)

func (f optionFunc) configure(c *stageConfig) { f(c) }

// OnError sets what a stage does when its function fails (returns an error or panics) on an element. The policy covers that function
// alone, never what follows it. The default is [Stop].
func OnError(p Policy) Option { return optionFunc(func(c *stageConfig) { c.policy = p }) }

// Policy says what becomes of an element on which a stage failed. It is never silent: a skip is counted ([Snapshot]), a stop is an error of
// Run, a diverted element has a sink.
type Policy struct {
	backoff *Backoff
	skip    bool
}

// Stop ends the stream with the error.
func Stop() Policy { return Policy{} }

// Skip counts the element, leaves it out and goes on; the element is finished: its offset advances.
func Skip() Policy { return Policy{skip: true} }

// Retry calls the function again, after a pause. The element, and in a stage without workers everything behind it, waits meanwhile; a hard stop ends the
// wait. When the element's partition is being taken away, or a drain began and the record will be delivered again, it tries
// once more at once and then gives the element up. When the attempts are used up, the stream stops; see [Policy.Else].
//
// When other partitions are being taken away, what a stage without workers has of them behind the element goes ahead of it, so that nobody waits for the pause
// (an element that fails then is given up at once); the order within each partition stays. An element of several partitions, as a [Batch], goes ahead when all of them are
// being taken away. Stages with workers do not go ahead: what waits there for a worker that pauses, or for its turn, waits as long as who takes its partition away does.
func Retry(b Backoff) Policy { return Policy{backoff: &b} }

// Else says what follows when the retries are used up, or the error is not one to retry: Stop or Skip.
func (p Policy) Else(then Policy) Policy {
	p.skip = then.skip
	return p
}

// Backoff is the pause between attempts. The zero value tries for ever, 100 ms to 10 s apart, doubling, with jitter.
type Backoff struct {
	// Attempts is the number of calls altogether; 0 is no limit.
	Attempts int
	// First is the pause behind the first failure; 0 is 100 ms.
	First time.Duration
	// Max is the longest pause; 0 is 10 s.
	Max time.Duration
	// Factor is how much longer each pause is; 0 is 2, less than 1 is 1.
	Factor float64
	// NoJitter takes each pause at its full length; by default it is a random part of it, at least half.
	NoJitter bool
	// If says which errors are worth another attempt; nil is all of them.
	If func(error) bool
}

func (b *Backoff) pause(failed int) time.Duration {
	first, longest, factor := b.First, b.Max, b.Factor
	if first <= 0 {
		first = 100 * time.Millisecond
	}
	if longest <= 0 {
		longest = 10 * time.Second
	}
	switch {
	case factor == 0:
		factor = 2
	case !(factor >= 1): // also where it is no number
		factor = 1
	}
	d := float64(first)
	for i := 1; i < failed && d < float64(longest); i++ {
		d *= factor
	}
	d = min(d, float64(longest))
	if !b.NoJitter {
		d = d/2 + rand.Float64()*d/2
	}
	return time.Duration(d)
}

func (b *Backoff) again(failed int, err error) bool {
	return (b.Attempts == 0 || failed < b.Attempts) && (b.If == nil || b.If(err))
}

func (p Policy) retries() bool { return p.backoff != nil }
func (p Policy) plain() bool   { return p.backoff == nil && !p.skip }

// safely calls f and turns a panic into an error.
func safely(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &core.PanicError{Value: p, Stack: debug.Stack()}
		}
	}()
	return f()
}

// attempts calls f until it succeeds or the policy ends it. wait waits for d, or less when it becomes clear that the record will be delivered
// again (then hopeless reports true); it reports false at a hard stop. It returns the last error, and whether the element is given up.
func attempts(p Policy, info *core.StageInfo, f func() error, hopeless func() bool, wait func(d time.Duration) bool) (failed int, givenUp bool, err error) {
	for {
		last := hopeless()
		if err = safely(f); err == nil {
			return failed, false, nil
		}
		failed++
		switch {
		case !p.retries() || !p.backoff.again(failed, err):
			return failed, false, err
		case last:
			return failed, true, err
		case !wait(p.backoff.pause(failed)):
			return failed, true, err
		}
		info.Retry()
	}
}

// inPlace runs a call with a policy on the island's own goroutine; it reports whether there is a result to push.
func inPlace(at core.At, info *core.StageInfo, p Policy, f func() error) bool {
	_, givenUp, err := inPlaceAttempts(at.Island, info, p, f)
	switch {
	case err == nil:
		return true
	case givenUp:
		giveUp(at, info)
	case p.skip:
		info.Skip()
	default:
		at.Island.Fail(info, err)
	}
	return false
}

// giveUp ends an element in whose pause nobody wanted it any more, or it became clear that it will be delivered again.
func giveUp(at core.At, info *core.StageInfo) {
	if at.Island.Unwanted() {
		at.Island.Refuse(at.Scope)
		return
	}
	info.GiveUp(1)
	at.Island.Abandon()
}

func inPlaceAttempts(isl *core.Island, info *core.StageInfo, p Policy, f func() error) (failed int, givenUp bool, err error) {
	hopeless := func() bool { return isl.Run().Hopeless(isl.Token()) }
	return attempts(p, info, f, hopeless, func(d time.Duration) bool {
		return isl.Pause(hopeless, time.Now().Add(d)) && !isl.Unwanted()
	})
}

// onWorker is inPlace on a worker's goroutine.
func onWorkerAttempts(r *core.Run, t core.Token, info *core.StageInfo, p Policy, f func() error) (failed int, givenUp bool, err error) {
	hopeless := func() bool { return r.Hopeless(t) }
	return attempts(p, info, f, hopeless, func(d time.Duration) bool {
		timer := time.NewTimer(d)
		defer timer.Stop()
		for {
			raised := r.HurryRaised() // before the look: a raise in between is not missed
			if hopeless() {
				return true
			}
			select {
			case <-timer.C:
				return true
			case <-raised:
			case <-r.StopC():
				return false
			}
		}
	})
}

// cancelledBy reports whether err is nothing but the end of ctx.
func cancelledBy(ctx context.Context, err error) bool {
	return ctx.Err() != nil && (errors.Is(err, ctx.Err()) || errors.Is(err, context.Cause(ctx)))
}
