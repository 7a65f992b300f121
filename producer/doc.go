// Package producer writes records to Kafka: as the end of a stream ([PlainSink], and
// [CommittableSink] behind a consumer), in the middle of one ([FlexiFlow], [FlowWithContext]), or
// without a stream ([Element]).
//
//	err := stream.FromSlice(records).To(producer.PlainSink(ps)).Run(ctx)
//
// # Clients
//
// A stage without an option makes a client of its own from its settings when the stream starts, and
// closes it when the stream ends. Stages that share one ([NewClient], or [Wrap] for a client of
// yours, and the option [On]) share its connections, its batches and its window; they never close
// it.
//
// # The window
//
// What is in flight, handed to the client and not acknowledged, is bounded in records and bytes,
// for all users of a client together. Where it is full, streams back-pressure and Send waits, each
// in its turn. An envelope larger than the window is admitted alone. With acknowledgements
// withheld, a source is pulled at most the window and two chunks (512 elements) further.
//
// # Outcomes
//
// A record that fails, after the client's retries, ends the stream, unless the stage was told to
// go on ([SkipFailed]). Outcomes are collected for the close time-out then, and [*OutcomeError]
// says how many records were acknowledged without anybody having been told, failed, or remained
// unknown. A record's outcome is unknown when the stream ends before it: it may have been written.
//
// Producing a failed record again may write it twice, and after later ones: idempotence covers the
// client's own retries only.
//
// # Offsets
//
// [CommittableSink] has the offsets of consumed records committed when what was made of them is
// acknowledged. Whatever the order of acknowledgements, no offset is committed of which a record
// before it is not done.
//
// # Order
//
// Records of a stream that go to one partition are written in the stream's order. Results come in
// the stream's order, whatever the order of acknowledgements.
//
// The package imports stream, envelope, settings, serde and franz-go.
package producer
