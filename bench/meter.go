package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"
)

// A meter runs cases.
type meter struct {
	config   config
	brokers  *brokers
	facts    facts
	progress io.Writer
}

// measure runs the sides of a case alternately and settles what they gave.
func (m *meter) measure(ctx context.Context, sc scenario, c *benchCase) (outcome, error) {
	o := outcome{id: sc.id, c: c}
	var b *broker
	if c.load != nil {
		var err error
		open := m.brokers.throughput
		if c.apart {
			open = m.brokers.apart
		}
		if b, err = open(ctx, c.reads); err != nil {
			return o, err
		}
		o.kind = b.kind
	}
	s := c.sides(sizing{quick: m.config.quick, kind: o.kind})

	all := slices.Clone(s.baselines)
	if s.ours != nil {
		all = append(all, *s.ours)
	}
	m.say("%s %s: warm-up", sc.id, c.name)
	for _, sd := range all {
		if _, err := m.once(ctx, c, b, sd); err != nil {
			return o, err
		}
	}

	bases := make([][]sample, len(s.baselines))
	var ours []sample
	baselines := func() error {
		for i, sd := range s.baselines {
			x, err := m.once(ctx, c, b, sd)
			if err != nil {
				return err
			}
			bases[i] = append(bases[i], x)
		}
		return nil
	}
	reps := m.config.reps
	if c.maxReps > 0 {
		reps = min(reps, c.maxReps)
	}
	for rep := range reps {
		if err := baselines(); err != nil {
			return o, err
		}
		if s.ours == nil {
			m.say("%s %s: %d of %d, baseline %s", sc.id, c.name, rep+1, reps,
				show(bases[0][rep].figure(c.unit), c.unit))
			continue
		}
		x, err := m.once(ctx, c, b, *s.ours)
		if err != nil {
			return o, err
		}
		ours = append(ours, x)
		m.say("%s %s: %d of %d, ours %s, baseline %s", sc.id, c.name, rep+1, reps,
			show(x.figure(c.unit), c.unit), show(bases[0][rep].figure(c.unit), c.unit))
	}
	if err := baselines(); err != nil {
		return o, err
	}

	best := bestOf(bases, c.unit)
	o.name = s.baselines[best].name
	o.settle(ours, bases[best])
	o.goals = goalsOf(c, s.baselines, ours, bases)
	for i, sd := range s.baselines {
		if i != best {
			o.others = append(o.others, otherOf(sd.name, bases[i], c.unit))
		}
	}
	if err := m.surroundings(ctx, c, b, s, &o); err != nil {
		return o, err
	}
	if err := m.count(ctx, c, b, s, best, &o); err != nil {
		return o, err
	}
	return o, m.profiles(ctx, sc, c, s, best)
}

// surroundings measures the sides for context.
func (m *meter) surroundings(ctx context.Context, c *benchCase, b *broker, s sides, o *outcome) error {
	if !m.config.context {
		return nil
	}
	for _, sd := range s.context {
		m.say("%s %s: for context, %s", o.id, c.name, sd.name)
		var xs []sample
		reps := min(3, m.config.reps) + 1
		if c.maxReps > 0 {
			reps = min(reps, c.maxReps)
		}
		for range reps {
			x, err := m.once(ctx, c, b, sd)
			if err != nil {
				return err
			}
			xs = append(xs, x)
		}
		if len(xs) > 1 {
			xs = xs[1:]
		}
		o.others = append(o.others, otherOf(sd.name, xs, c.unit))
	}
	return nil
}

// count finds the allocations a record. A broker in this process allocates as
// well, so then both sides run once more against one in a process of its own.
func (m *meter) count(ctx context.Context, c *benchCase, b *broker, s sides, best int, o *outcome) error {
	if c.uncounted {
		return nil
	}
	o.counted = true
	if b == nil || b.separate {
		return nil
	}
	apart, err := m.brokers.apart(ctx, c.reads)
	if err != nil {
		return err
	}
	m.say("%s %s: allocations", o.id, c.name)
	counted := func(sd side) (allocs, bytes float64, err error) {
		var x sample
		for range 2 { // the first run grows pools that the process keeps
			if x, err = m.once(ctx, c, apart, sd); err != nil {
				return 0, 0, err
			}
		}
		allocs, bytes = perRecord([]sample{x})
		return allocs, bytes, nil
	}
	if o.baseAllocs, o.baseBytes, err = counted(s.baselines[best]); err != nil {
		return err
	}
	if s.ours != nil {
		o.allocs, o.bytes, err = counted(*s.ours)
	}
	return err
}

// once runs one side one time, on a fresh topic, and checks that what it
// produced is there and that what it read is committed.
func (m *meter) once(ctx context.Context, c *benchCase, b *broker, sd side) (sample, error) {
	if err := ctx.Err(); err != nil {
		return sample{}, err
	}
	t := &trial{n: sd.n}
	if b != nil {
		var err error
		if t, err = b.trial(ctx, c, sd.n); err != nil {
			return sample{}, err
		}
	}
	if c.latency {
		t.latency = make([]time.Duration, sd.n)
	}
	if err := sd.run(ctx, t); err != nil {
		return sample{}, fmt.Errorf("%s: %w", sd.name, err)
	}
	x, err := t.sample()
	if err != nil {
		return x, fmt.Errorf("%s: %w", sd.name, err)
	}
	if err := m.aftermath(ctx, c, b, t); err != nil {
		return x, fmt.Errorf("%s: %w", sd.name, err)
	}
	return x, nil
}

// aftermath looks at what a run has left on the broker and removes it.
func (m *meter) aftermath(ctx context.Context, c *benchCase, b *broker, t *trial) error {
	if t.topic != "" {
		if err := b.finish(ctx, t.topic, t.written); err != nil {
			return err
		}
	}
	if c.commits && t.group != "" {
		if err := b.finished(ctx, t.group, t.source); err != nil {
			return err
		}
	}
	if t.source != "" && c.reads != stored {
		_, err := b.admin.DeleteTopic(ctx, t.source)
		return err
	}
	return nil
}

func numbers(n int) []int64 {
	out := make([]int64, n)
	for i := range out {
		out[i] = int64(i)
	}
	return out
}

func (m *meter) say(format string, args ...any) {
	fmt.Fprintf(m.progress, format+"\n", args...)
}

// bestOf returns the index of the baseline with the best median.
func bestOf(bases [][]sample, unit string) int {
	best := 0
	for i := range bases {
		if mine, top := median(figures(bases[i], unit)), median(figures(bases[best], unit)); lessIsBetter(unit) == (mine < top) && mine != top {
			best = i
		}
	}
	return best
}

func otherOf(name string, xs []sample, unit string) other {
	allocs, _ := perRecord(xs)
	return other{name: name, figure: median(figures(xs, unit)), allocs: allocs}
}
