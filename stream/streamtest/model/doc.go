// Package model holds a small, single-threaded model of how streams account for the records they
// carry: who ends a token, when, and as what, and what becomes of the elements when a partition or
// a run ends. It is a test and nothing else: every other file is a _test.go file, it imports
// neither the engine nor a broker, and it starts no goroutine.
//
// # What it simulates
//
// A world has a few partitions with a few records each, a committed offset per partition, and a
// random graph: islands of fused stages (map, filter, FlatMap, Batch, Take, Divert, finishing
// flow), joined by bounded queues, with worker stages (unordered, in order, by key), retrying
// stages, broadcasts, sinks that acknowledge late and out of order, sinks that hand over to a user
// who commits before, during or after the hand-over, once or twice, or to another graph, which
// answers one hand-over for each token; a plain source, whose elements have no token, may feed the
// same graph. A seeded scheduler picks the next small step of any of them; a step ends wherever
// another goroutine could run in an engine: before a push, inside a user function, between two
// outputs of a FlatMap. Calls, pauses, acknowledgements and deadlines take ticks of a clock that
// goes on when nothing else can move, and now and then before. Between the steps fall revokes of
// one or several partitions (finished in time or cut off by their deadline), losses, seeks,
// partitions that come back, negative acknowledgements, outages of what a stage talks to, faults,
// drains with and without a deadline (also during a revoke, and the other way round), hard stops
// and crashes. In transactional worlds epochs end and abort, an epoch's end closes the gate at the
// sinks, and revokes and drains end one.
//
// # What it checks
//
// Beside the tokens each element carries the deliveries that it descends from. That bookkeeping
// (truth_test.go, effect_test.go) knows nothing of frames, splits or cuts; it follows the elements
// themselves. Against it are checked, all the time:
//
//   - not done: nothing is committed unless every descendant of the record was finished;
//   - lost: at the end every record was processed to its end, in one delivery at least, and so was
//     what has no token;
//   - stranded: what was waited for (a revoke, a drain, a transaction, a source that is held back,
//     a rewind) arrives, or was given up for a reason, by the time nothing moves any more;
//   - hidden: each look of the commit loop sees all that is finished at that moment, also in an
//     island that is stuck;
//   - double: a stage has its effect on a record once, over all owners, unless something was given
//     up at or before it;
//   - begun: no stage with effects begins what lies after a cut;
//   - given up: a retry gives up nothing that would have succeeded in time, and nothing that is
//     kept; and nothing is given up because one branch of a broadcast refuses it while another may
//     take it;
//   - order: per key, where the graph is ordered, and nothing overtakes what was given up;
//   - torn: a transaction commits an output if and only if it commits its records' offsets, so no
//     output is ever there twice;
//   - memory: at the end nothing is charged any more.
//
// # How to read it
//
// rules_test.go lists the rules, each with a switch. A test leaves out one at a time and demands
// that some seed shows it; where leaving it out makes nothing wrong and ends longer, another
// measures that (measure_test.go). token_test.go, tracker_test.go, frame_test.go and cut_test.go
// are the rules themselves; the other files are the world around them. A seed replays a world
// exactly:
//
//	go test ./stream/streamtest/model -run TestReplay -v -model.kind=1 -model.seed=17 -model.without=SplitOwnHold
//
// and -model.worlds=10000 looks at more worlds than fit into a few seconds.
package model
