// Package model holds a small, single-threaded model of how streams account for the records they carry: who ends a
// token, when, and as what. It is a test and nothing else: every other file is a _test.go file, it imports neither the
// engine nor a broker, and it starts no goroutine.
//
// # What it simulates
//
// A world has a few partitions with a few records each, a committed offset per partition, and a random graph: islands of
// fused stages (map, filter, FlatMap, Batch, Take, Divert, finishing flow), joined by bounded queues, with unordered
// asynchronous stages, retrying stages, broadcasts, sinks that acknowledge late and out of order, sinks that hand over
// to a user who commits before, during or after the hand-over, once or twice. A seeded scheduler picks the next small step
// of any of them; a step ends wherever another goroutine could run in an engine: before a push, inside a user function,
// between two outputs of a FlatMap. Between the steps fall revokes (finished in time or cut off by their deadline), losses,
// negative acknowledgements, faults, drains, hard stops and crashes, and in transactional worlds commits and aborts.
//
// # What it checks
//
// Beside the tokens each element carries the deliveries that it descends from. That bookkeeping (truth_test.go) knows
// nothing of frames, splits or runs; it follows the elements themselves. Against it are checked, all the time:
//
//   - not done: nothing is committed unless every descendant of the record was finished;
//   - lost: at the end every record was processed to its end, in one delivery at least;
//   - stranded: what was waited for (a revoke, a drain, a transaction, a source that is held back) arrives, or was given up
//     for a reason, by the time nothing moves any more;
//   - hidden: each look of the commit loop sees all that is finished at that moment, also in an island that is stuck;
//   - order: per key, where the graph is ordered.
//
// # How to read it
//
// rules_test.go lists the rules, each with a switch. A test leaves out one at a time and demands that some seed shows it.
// token_test.go, tracker_test.go and frame_test.go are the rules themselves; the other files are the world around them.
// A seed replays a world exactly:
//
//	go test ./stream/streamtest/model -run TestReplay -v -model.seed=17 -model.without=SplitOwnHold
package model
