package settings

import (
	"fmt"
	"log/slog"
	"time"
)

const (
	defaultMaxBatch    = 1000
	defaultMaxInterval = 100 * time.Millisecond
	defaultParallelism = 100
)

// Committer is how offsets are committed: how many are collected, and for how
// long. It is an immutable value, to be copied and shared freely between
// goroutines. The zero value is one with the defaults.
//
// An offset is committed only when all records before it in its partition are done,
// whatever these settings are.
type Committer struct {
	c *committerConfig // nil for the defaults
}

// CommitterOption is what [NewCommitter] takes. The options of this package are the
// only ones.
type CommitterOption interface {
	applyCommitter(*committerConfig)
}

type committerOption func(*committerConfig)

func (o committerOption) applyCommitter(c *committerConfig) { o(c) }

type committerConfig struct {
	account

	maxBatch    int
	maxInterval time.Duration
	delivery    CommitDelivery
	parallelism int
	when        CommitMoment
}

var committerDefaults = committerConfig{
	maxBatch:    defaultMaxBatch,
	maxInterval: defaultMaxInterval,
	parallelism: defaultParallelism,
}

// NewCommitter makes the settings of a committer. It never fails: all that is wrong
// is found here and told by Err, which everything that takes a Committer asks
// first.
func NewCommitter(opts ...CommitterOption) Committer { return Committer{}.With(opts...) }

// With returns a copy with opts applied on top, checked anew as a whole. An
// option given here replaces the earlier value.
func (m Committer) With(opts ...CommitterOption) Committer {
	n := *m.config()
	earlier := n.begin()
	for i, o := range opts {
		if o == nil {
			n.nilOption(i, len(opts))
			continue
		}
		o.applyCommitter(&n)
	}
	n.keepFaults(earlier)
	n.validate()
	return Committer{c: &n}
}

func (m Committer) config() *committerConfig {
	if m.c == nil {
		return &committerDefaults
	}
	return m.c
}

// Err returns nil, or all problems of the settings joined, each a [*Problem].
func (m Committer) Err() error { return m.config().err }

// Given returns whether the option with that name, such as "MaxBatch", was given.
func (m Committer) Given(option string) bool { return m.config().has(option) }

// MaxBatch returns how many offsets are collected for one commit at most.
func (m Committer) MaxBatch() int { return m.config().maxBatch }

// MaxInterval returns how long an offset waits for its commit at most.
func (m Committer) MaxInterval() time.Duration { return m.config().maxInterval }

// Delivery returns whether commits are waited for.
func (m Committer) Delivery() CommitDelivery { return m.config().delivery }

// WaitsForAck returns whether Delivery is WaitForAck.
func (m Committer) WaitsForAck() bool { return m.config().delivery == WaitForAck }

// Parallelism returns what the option of that name was given. It has no effect.
func (m Committer) Parallelism() int { return m.config().parallelism }

// CommitWhen returns what the option of that name was given. It has no effect.
func (m Committer) CommitWhen() CommitMoment { return m.config().when }

// String returns the settings in one line.
func (m Committer) String() string {
	c := m.config()
	return line("settings.Committer", []slog.Attr{
		slog.Int("max.batch", c.maxBatch),
		slog.Duration("max.interval", c.maxInterval),
		slog.String("delivery", c.delivery.String()),
	})
}

// CommitDelivery says whether a commit's answer is waited for, at the end of a stream and before
// the results of a flow. It is given to [Delivery].
type CommitDelivery int8

const (
	// WaitForAck waits for the broker's answer: the end of the stream is over, and a flow's
	// results come, when their commit was acknowledged. The default.
	WaitForAck CommitDelivery = iota
	// SendAndForget does not wait for it: the stage ends, and a flow's results come, when the
	// commit was asked for. Nothing else differs: what was finished is committed all the same,
	// before the run is over, and a commit that is refused ends the run.
	SendAndForget
)

// String returns the name of the constant.
func (d CommitDelivery) String() string {
	return name("CommitDelivery", int(d), "WaitForAck", "SendAndForget")
}

// CommitMoment is given to [CommitWhen].
type CommitMoment int8

const (
	// OffsetFirstObserved is the default.
	OffsetFirstObserved CommitMoment = iota
	// NextOffsetObserved is for streams in which several elements carry one
	// offset, where those settings have an effect.
	NextOffsetObserved
)

// String returns the name of the constant.
func (w CommitMoment) String() string {
	return name("CommitMoment", int(w), "OffsetFirstObserved", "NextOffsetObserved")
}

// MaxBatch sets how many offsets are collected before they are committed. The
// default is 1000. It counts what the committer was given, over all partitions;
// one commit is under way at a time, and what is finished meanwhile goes with the
// next.
//
// Alpakka: max-batch.
func MaxBatch(n int) CommitterOption {
	return committerOption(func(c *committerConfig) {
		c.given("MaxBatch", "", fmt.Sprint(n))
		c.maxBatch = n
	})
}

// MaxInterval sets how long an offset waits for its commit once all before it in its partition is
// done. The default is 100 ms. It is no bound to what a crash delivers again: what was finished
// after a record that is not is not committed, whatever the interval is. From 1 ms.
//
// Alpakka: max-interval (10 s there). Java: auto.commit.interval.ms (5 s there), the
// nearest thing.
func MaxInterval(d time.Duration) CommitterOption {
	return committerOption(func(c *committerConfig) {
		c.given("MaxInterval", "", d.String())
		c.maxInterval = d
	})
}

// Delivery sets whether a commit's answer is waited for; the default is [WaitForAck]. A commit that
// is refused ends the run with either.
//
// Alpakka: delivery.
func Delivery(d CommitDelivery) CommitterOption {
	return committerOption(func(c *committerConfig) {
		c.given("Delivery", "", d.String())
		c.delivery = d
	})
}

// Parallelism is accepted for those who come from Alpakka, where it is the number
// of commits under way, and has no effect: a consumer has one commit under way at a
// time, since the client sends them one after the other. The default is 100, as
// there.
func Parallelism(n int) CommitterOption {
	return committerOption(func(c *committerConfig) {
		c.given("Parallelism", "", fmt.Sprint(n))
		c.parallelism = n
	})
}

// CommitWhen is accepted for those who come from Alpakka, where NextOffsetObserved
// keeps an offset that several elements carry from being committed with the first of
// them, and has no effect: an offset is committed when all that came of its record
// is done. The default is [OffsetFirstObserved], as there.
func CommitWhen(w CommitMoment) CommitterOption {
	return committerOption(func(c *committerConfig) {
		c.given("CommitWhen", "", w.String())
		c.when = w
	})
}

func (c *committerConfig) validate() {
	v := &verdict{problems: append([]*Problem(nil), c.faults...)}
	if c.maxBatch < 1 {
		v.problem("MaxBatch", "", fmt.Sprint(c.maxBatch), "must be at least 1")
	}
	if c.maxInterval < time.Millisecond || c.maxInterval > maxDuration {
		v.problem("MaxInterval", "", c.maxInterval.String(), "must be from %v to %v", time.Millisecond, maxDuration)
	}
	if c.parallelism < 1 {
		v.problem("Parallelism", "", fmt.Sprint(c.parallelism), "must be at least 1")
	}
	if c.delivery < WaitForAck || c.delivery > SendAndForget {
		v.problem("Delivery", "", c.delivery.String(), "is none of WaitForAck, SendAndForget")
	}
	if c.when < OffsetFirstObserved || c.when > NextOffsetObserved {
		v.problem("CommitWhen", "", c.when.String(), "is none of OffsetFirstObserved, NextOffsetObserved")
	}
	c.conclude(v)
}
