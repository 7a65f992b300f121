// Package feed is what a tracked source is made of: it stands between whoever polls records, on a
// goroutine of his own, and the island that takes them, and accounts for them from the poll to
// their end. A Kafka consumer and streamtest.TrackedSource share it.
//
// # A record's way
//
// The poller delivers chunks, each of one partition of one assignment ([Assignment.Deliver]). From
// then on its records are outstanding. They wait in the partition's queue until the island takes
// them (Next), of one partition after the other. What is in the queues has passed no operator: a
// revoke, a drain and a cancellation take it back.
//
// # Ends of an assignment
//
//   - Revoke: nothing more is delivered, the queue is taken back, the run hurries, and the call
//     waits until nothing is outstanding or the time is up; what is left then is dropped wherever
//     it is.
//   - Lose: everything is dropped at once.
//   - Rewind: something was abandoned while the partition stays and the run goes on: a fresh index
//     takes over from the first record that is not done, and what travels under the old one is
//     dropped.
//   - Finish: the run is over.
//
// Each of them closes the tracker, and the mark that the closing returns is the last that may be
// committed.
//
// # Locks
//
// Feed.mu, then the tracker's; core's own are taken inside Feed.mu only to register and release
// assignments and hurries. No lock is held while something waits, while core is called otherwise,
// or while the caller's functions run.
package feed
