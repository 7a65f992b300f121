package stream

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/vicuna-go/vicuna/internal/core"
)

// Option is an option of an operator.
type Option interface{ configure(*stageConfig) }

type stageConfig struct {
	policy     Policy
	repeatable bool
	ahead      int
}

// begin begins the element in hand; false: it lies after the cut, and is given back.
func (c *stageConfig) begin(isl *core.Island) bool { return c.repeatable || isl.Claim() }

func configure(opts []Option) stageConfig {
	cfg := stageConfig{policy: Stop()}
	for _, o := range opts {
		o.configure(&cfg)
	}
	return cfg
}

type optionFunc func(*stageConfig)

func (f optionFunc) configure(c *stageConfig) { f(c) }

// OnError sets what a stage does when its function fails (returns an error or panics) on an
// element. The policy covers that function alone, never what follows it. The default is [Stop].
func OnError(p Policy) Option { return optionFunc(func(c *stageConfig) { c.policy = p }) }

// Repeatable says that a stage's function may be called again for an element without harm, although
// it takes a context: a parser, a look-up without an effect. Its calls do not count as begun: what
// has met no other stage with effects when the stream is drained, or the element's partition is
// taken away, is given back and will be delivered again, instead of being finished. By default
// every function with a context begins its element, and an end finishes what has begun. [Each],
// whose function has no context, ignores it.
func Repeatable() Option { return optionFunc(func(c *stageConfig) { c.repeatable = true }) }

// Ahead sets how many elements a stage with workers takes in beside the n that are in work: they
// wait for a worker, or with their results for a slower one before them. The more, the less a slow
// call holds up the others; what has met a stage with effects before waits there with its effect
// made, and a drain waits for it. The default is max(1024, 64 n) in all, and 2n in all, with the
// one that waits to be taken in, after another stage with effects, after a [Batch], and in a branch
// of a [Broadcast]. Other stages ignore it; less than 1 is 1.
func Ahead(n int) Option { return optionFunc(func(c *stageConfig) { c.ahead = max(n, 1) }) }

// Policy says what becomes of an element on which a stage failed. It is never silent: a skip is
// counted ([Snapshot]), a stop is an error of Run, a diverted element has a sink.
type Policy struct {
	backoff *Backoff
	skip    bool
}

// Stop ends the stream with the error.
func Stop() Policy { return Policy{} }

// Skip counts the element, leaves it out and goes on; the element is finished: its offset advances.
func Skip() Policy { return Policy{skip: true} }

// Retry calls the function again, after a pause. The element waits meanwhile, and in a stage
// without workers everything after it. A stage with n workers goes on with others, and begins
// nothing new while n elements or more wait; with order ([MapAsync], [MapAsyncDivert]) the results
// of the others stand behind the one that waits, and when the window is full nothing more is taken
// in. So with order one element that is tried for ever holds up all that comes after it, of every
// partition; with [MapAsyncUnordered] its own partition's offset alone. A hard stop ends the wait.
//
// When the stream is drained, or the element's partition is taken away, retries go on until shortly
// before whoever waits for them gives up (the drain time-out, the revoke time-out; less a quarter
// of it, 5 s at most, for the last commit), with pauses of a second at most, and of an eighth of
// the time that is left. Then the element is given up: it will be delivered again, and so is
// everything after it in its partition, since nothing overtakes it. The error of the run counts it.
// One of a plain source is tried until the hard stop. When the attempts are used up, the stream
// stops; see [Policy.Else].
//
// When other partitions are being taken away, what a stage without workers has of them after the
// element goes ahead of it, so that nobody waits for the pause; the order within each partition
// stays. An element of several partitions, as a [Batch], goes ahead when all of them are being
// taken away. In a stage with workers the results of partitions that are being taken away go ahead
// of elements that wait, and what has begun of them before the stage is let in beside those.
func Retry(b Backoff) Policy { return Policy{backoff: &b} }

// Else says what follows when the retries are used up, or the error is not one to retry: Stop or
// Skip.
func (p Policy) Else(then Policy) Policy {
	p.skip = then.skip
	return p
}

// Backoff is the pause between attempts. The zero value tries for ever, 100 ms to 10 s apart,
// doubling, with jitter.
type Backoff struct {
	// Attempts is the number of calls altogether; 0 is no limit.
	Attempts int
	// First is the pause after the first failure; 0 is 100 ms.
	First time.Duration
	// Max is the longest pause; 0 is 10 s.
	Max time.Duration
	// Factor is how much longer each pause is; 0 is 2, less than 1 is 1.
	Factor float64
	// NoJitter takes each pause at its full length; by default it is a random part of it, at least
	// half.
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

// inPlace runs a call with a policy on the island's own goroutine; it reports whether there is a
// result to push.
func inPlace(at core.At, info *core.StageInfo, cfg *stageConfig, f func() error) bool {
	_, ended, err := inPlaceAttempts(at, info, cfg, f)
	switch {
	case ended:
	case err == nil:
		return true
	case cfg.policy.skip:
		info.Skip()
	default:
		at.Island.Fail(info, err)
	}
	return false
}

// inPlaceAttempts begins the element in hand and calls f until it succeeds or the policy ends it.
// ended: the element has come to its end here, without a result: it was given back, given up or
// refused. A failure after a hard stop is no other: the context of the call has ended, and nothing
// is skipped or diverted that may have failed for that.
func inPlaceAttempts(at core.At, info *core.StageInfo, cfg *stageConfig, f func() error) (failed int, ended bool, err error) {
	if !cfg.begin(at.Island) {
		return 0, true, nil
	}
	if err = core.Safely(f); err == nil {
		return 0, false, nil
	}
	return inPlaceAgain(at, info, cfg, f, err)
}

// inPlaceAgain goes on after the first failure. The stage is told that nothing more is tried before
// the element ends, after which its token may be another's.
func inPlaceAgain(at core.At, info *core.StageInfo, cfg *stageConfig, f func() error, first error) (failed int, ended bool, err error) {
	isl, t := at.Island, at.Island.Token()
	for err = first; err != nil; err = core.Safely(f) {
		failed++
		if isl.Halted() || !cfg.policy.again(failed, err) {
			break
		}
		info.Failed(t, failed, err)
		what := isl.Pause(time.Now().Add(cfg.policy.backoff.pause(failed)))
		var end func()
		switch {
		case isl.Unwanted():
			end = isl.Refuse
		case isl.Halted():
			end = isl.Abandon
		case what == core.CutAway:
			end = isl.GiveBack
		case what == core.OutOfTime:
			end = func() {
				info.GiveUp(isl.Run(), t)
				isl.Abandon()
			}
		}
		if end != nil {
			info.Tried(t)
			end()
			return failed, true, err
		}
		info.Retry()
	}
	if failed > 1 || err == nil {
		info.Tried(t)
	}
	if err != nil && isl.Halted() {
		isl.Fail(info, err)
		return failed, true, err
	}
	return failed, false, err
}

// again reports whether a call that has failed is to be made again.
func (p Policy) again(failed int, err error) bool {
	return p.retries() && p.backoff.again(failed, err)
}

// cancelledBy reports whether err is nothing but the end of ctx.
func cancelledBy(ctx context.Context, err error) bool {
	return ctx.Err() != nil && (errors.Is(err, ctx.Err()) || errors.Is(err, context.Cause(ctx)))
}
