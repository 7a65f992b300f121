package stream

import (
	"context"
	"errors"
	"time"

	"github.com/vicuna-go/vicuna/internal/blueprint"
	"github.com/vicuna-go/vicuna/internal/core"
)

// RunOption is an option of [Graph.Run] and [Graph.Start].
type RunOption interface{ run(*core.Limits) }

type runOption func(*core.Limits)

func (f runOption) run(l *core.Limits) { f(l) }

// Defaults of the run options. An end by retries, or by calls that end with their context, stays
// below the 30 s after which Kubernetes kills; docs/guarantees.md says what takes longer.
const (
	DefaultDrainTimeout = 20 * time.Second
	DefaultCloseTimeout = 5 * time.Second
)

// DrainTimeout bounds a drain: what is not finished then is stopped hard. Default 20 s; it must be
// above zero.
func DrainTimeout(d time.Duration) RunOption { return runOption(func(l *core.Limits) { l.Drain = d }) }

// CloseTimeout bounds what follows after the last element or a hard stop: outcomes that are still
// collected, clients that are closed, user functions that have not returned. Default 5 s; it must
// be above zero.
func CloseTimeout(d time.Duration) RunOption { return runOption(func(l *core.Limits) { l.Close = d }) }

// Run runs the graph to its end and returns its outcome:
//
//   - nil: every source has completed by itself (or nobody wanted more of it), and everything was
//     finished;
//   - an error that is [ErrDrained] and the context's cause: ctx was cancelled, the sources were
//     stopped, and everything that had begun was finished;
//   - a [*GivenUpError] that is [ErrDrainTimeout] and the context's cause: the drain did not finish
//     in time;
//   - else the first fault, usually a [*StageError] with its place, joined with what was lost sight
//     of by it.
//
// No goroutine of the run's outlives it, except user code that does not return: a [*StuckError]
// says so. Configuration problems are returned before anything runs, all at once.
func (g Graph) Run(ctx context.Context, opts ...RunOption) error {
	r, err := g.prepare(ctx, opts)
	if err != nil {
		return err
	}
	r.Within(ctx)
	return r.Supervise(ctx)
}

// Start is Run in the background. ctx's end begins a drain.
func (g Graph) Start(ctx context.Context, opts ...RunOption) (*Control, error) {
	r, err := g.prepare(ctx, opts)
	if err != nil {
		return nil, err
	}
	r.Begin(ctx)
	return &Control{r: r}, nil
}

func (g Graph) prepare(ctx context.Context, opts []RunOption) (*core.Run, error) {
	limits, err := limitsOf(opts)
	if err != nil {
		return nil, err
	}
	return g.buildInto(core.NewRun(ctx, limits))
}

func limitsOf(opts []RunOption) (core.Limits, error) {
	limits := core.Limits{Drain: DefaultDrainTimeout, Close: DefaultCloseTimeout}
	for _, o := range opts {
		o.run(&limits)
	}
	var errs []error
	if limits.Drain <= 0 {
		errs = append(errs, errors.New("vicuna: the drain time-out must be above zero"))
	}
	if limits.Close <= 0 {
		errs = append(errs, errors.New("vicuna: the close time-out must be above zero"))
	}
	return limits, errors.Join(errs...)
}

func (g Graph) buildInto(r *core.Run) (*core.Run, error) {
	if err := blueprint.Graph(g).Into(r); err != nil {
		return nil, err
	}
	return r, nil
}

// Control is the handle of a running graph. Its methods may be called from any goroutine, any
// number of times.
type Control struct{ r *core.Run }

// Drain stops the sources, lets everything that has begun finish, and waits for the end of the run.
// A record has begun when a stage with effects has it: a function with a context was called with
// it, it was produced, a receiver has taken it over. What has not begun is given back, and will be
// delivered again. Drain returns nil when all that had begun was finished. When ctx ends first it
// returns ctx's cause; the drain goes on, up to the [DrainTimeout].
//
// A function of the run's own may begin a drain, and cannot wait for its end, for which it is
// waited: on a goroutine of the run, in a handler of a consumer, and with a context that the run
// has given to one of its functions, Drain returns [ErrFromWithin] at once. Nobody can tell where
// such a function waits on Done, or on a goroutine of its own that drains with a context from
// elsewhere: that lasts until the drain time-out.
func (c *Control) Drain(ctx context.Context) error {
	c.r.Drain(nil)
	select {
	case <-c.r.DoneC():
	default:
		if c.r.CalledFromWithin(ctx) {
			return ErrFromWithin
		}
	}
	select {
	case <-c.r.DoneC():
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if err := c.r.Err(); err != nil && !core.OnlyDrained(err) {
		return err
	}
	return nil
}

// Stop ends the run at once: what is in flight is given up. It does not wait; see Done.
func (c *Control) Stop() { c.r.Stop(ErrStopped) }

// Done is closed when the run is over.
func (c *Control) Done() <-chan struct{} { return c.r.DoneC() }

// Err is what Run would have returned, once the run is over; nil before.
func (c *Control) Err() error { return c.r.Err() }
