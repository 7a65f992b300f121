// Package consumer reads records from Kafka into streams, and commits their offsets when it is
// safe.
//
//	c := consumer.New(cs, consumer.Topics("orders"))
//	err := stream.Map(c.CommittableSource().Filter(recent), toInvoice).
//		To(producer.CommittableSink(ps, settings.NewCommitter())).
//		Run(ctx)
//
// # What is promised
//
// An offset is committed when its record and all before it in the partition are finished, in
// whatever order that happened: written and acknowledged, filtered out, or returned from a ForEach.
// Nothing of a partition is committed once it belongs to somebody else. When a partition is taken
// away, what is in flight is finished and committed first, so that a clean restart doubles nothing.
// A crash delivers again what was not committed: of each partition everything from the first record
// on that was not finished, also what was finished after it.
//
// A source whose records are committed as they are finished needs a Committer or a committable sink
// in its graph: without one the graph is refused with a [*NoCommitterError]. Where other code
// commits, by calling Commit or in another graph, the consumer is told so with [CommitsElsewhere].
//
// # One run at a time
//
// [New] makes a handle. Each run of a stream on one of its sources makes a client of its own, which
// lives as long as the run; a second run at the same time is refused with [ErrRunning]. What the
// handle can tell and do (Pause, Lag, Assignment) concerns the run there is, and is [ErrNotRunning]
// without one.
//
// # Imports
//
// It uses stream, envelope, settings and serde, and nothing of producer: the two meet in the
// stream's tokens and in [envelope.Committable].
package consumer
