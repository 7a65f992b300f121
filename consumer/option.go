package consumer

import "github.com/vicuna-go/vicuna/settings"

// Option is an option of [New].
type Option interface{ apply(*options) }

type options struct {
	handler Handler
	events  func(Event)
	toEnd   bool
	recycle bool

	elsewhere bool               // commits come from outside of the graph
	committer settings.Committer // and how often they are made
}

type option func(*options)

func (f option) apply(o *options) { f(o) }

func optionsOf(opts []Option) (o options) {
	for _, opt := range opts {
		opt.apply(&o)
	}
	return o
}

// ToEnd reads what is there when the run starts, and completes: when each partition that is
// assigned has been read up to the end that it had then, and everything was finished. A member of a
// group that has no partition waits for one: the others leave when they are done. With
// settings.ReadCommitted the end is that of the last transaction that was decided. Where the last
// offsets hold no record that can be read (they were compacted away), the partitions' leaders are
// asked, which takes a second or two, however many partitions there are.
func ToEnd() Option { return option(func(o *options) { o.toEnd = true }) }

// Recycle lets elements and the client's records be used again, which takes much of the work off
// the garbage collector. It promises that nobody keeps an element after its end, nor its offset.
// An element ends when all that was made of it is done: written and acknowledged by a sink or flow,
// committed, filtered out, or taken by a ForEach that has returned. Keys, values and headers are
// not used again: they may be kept, and lent to other records.
//
// So nothing may collect elements (stream.Collect, First or Fold, a variable outside of the
// function), and what a committer flow gives on is for counting only. What was handed over to user
// code (stream.ToChan, Source.All, stream.ForEachManual) or given up is left alone, with all that
// was fetched with it. Elements are cleared when they have ended, a while later: who keeps one sees
// it become empty. [Consumer.AtMostOnceSource] does not recycle.
func Recycle() Option { return option(func(o *options) { o.recycle = true }) }

// OnRebalance sets functions that are called within rebalances; see [Handler].
func OnRebalance(h Handler) Option { return option(func(o *options) { o.handler = h }) }

// Events calls f with what has happened to the assignment, in order, on a goroutine of its own:
// nothing waits for it, so by then more may have happened. f has returned from all its calls when
// the run ends, or the close time-out is over. A panic of f ends the run.
func Events(f func(Event)) Option { return option(func(o *options) { o.events = f }) }

// CommitsElsewhere says that the graph has no Committer and no committable sink because other code
// decides what is done: a function that calls Commit on offsets, or a graph that gets elements by a
// channel and commits them. Without it a run of a source that commits ends with a
// [*NoCommitterError] where its graph has no committing stage.
//
// The consumer then commits what is finished as with a Committer of these options: each
// settings.MaxInterval, after settings.MaxBatch calls of Commit, when a partition is taken away,
// and at the end of the run. What finishes a record is not changed by it: an element that stays in
// the stream is finished where it ends, when the function of a ForEach has returned or a filter has
// left it out, whether its Commit was called or not; one that was handed over (stream.ToChan,
// Source.All, stream.ForEachManual) is finished by Commit, or by the committing stage that gets it.
// Where the graph has a Committer as well, or another graph has, the shortest interval of all
// counts. Sources that do not commit records as they are finished (plain ones, at most once) are
// not concerned.
func CommitsElsewhere(opts ...settings.CommitterOption) Option {
	return option(func(o *options) { o.elsewhere, o.committer = true, settings.NewCommitter(opts...) })
}
