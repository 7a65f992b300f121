// Package stream composes typed, back-pressured pipelines: a [Source] of elements, operators, a
// [Sink], and a [Graph] that runs.
//
//	err := stream.Map(stream.FromSlice(orders).Filter(paid), toInvoice).To(sink).Run(ctx)
//
// # Blueprints
//
// Source, Flow and Sink are values that describe; nothing runs and no goroutine exists until
// [Graph.Run] or [Graph.Start]. A blueprint can run many times, also at the same time, where its
// source can.
//
// # Islands
//
// Operators that need no waiting (Map, Filter, FlatMap …) are fused into one goroutine, as nested
// function calls: a few nanoseconds each. Goroutines are joined by bounded boundaries only where
// the work itself needs one (MapAsync, Merge, a producer's acknowledgements, sources in user code)
// or where you ask for one ([Source.Async], [Source.Buffer]). A channel operation per element would
// cost more than Kafka does; channels stay at the edges: [FromChan], [ToChan], [Source.All].
//
// # Tokens
//
// Elements of a tracked source (a Kafka consumer) carry a token that users never see. Filtering,
// expanding, batching or reordering can neither lose nor strand an offset: a record is done when
// nothing that came of it travels any more and nothing was given up.
//
// # Life cycle
//
// Cancelling Run's context drains: sources stop, what is in flight is finished, within the
// [DrainTimeout]; then comes a hard stop. User functions get a context that is cancelled at the
// hard stop only. The first fault ends the stream and is what Run returns, with its place; a panic
// in a user function is such a fault and never kills the process.
//
// # Contracts
//
// Each operator's comment says when it emits, back-pressures, completes and fails, what order it
// keeps and which goroutines it uses. Package streamtest holds every one of them, and yours, to
// these.
//
// This package knows nothing of Kafka and imports nothing but the standard library.
package stream
