// Package reader is one run of a consumer on untyped records: a client, the partitions that are
// assigned to it, and the goroutines between it and the stream. Package consumer puts types before
// it.
//
// What the rooms of a run have in common is the [Session], which each of them embeds; what is one
// room's business alone is a field of that room.
//
//   - session.go: what a run is made of, and its beginning; execute.go: the one place where what
//     the partitions' table has decided is carried out; attend.go looks at what changes while the
//     poller waits.
//   - poller (poll.go, give.go) fetches and delivers; it never waits for the stream, only for room
//     in the budget.
//   - rebalancer (rebalance.go, rejoined.go): the client's callbacks, which take partitions away
//     and bring others; standing.go tells of the times in which the group gives it none.
//   - starter (begin.go, positions.go, latest.go, manual.go) finds out where reading begins.
//   - lane.go, and substreams (handout.go, substream.go): the ways from the poller to the islands.
//   - offsets (offsets.go): what may be committed; ahead (ahead.go) commits before it delivers, at
//     most once; texts.go is what is committed with offsets.
//   - tails (tail.go) finds out, in a bounded run, that a log's last offsets hold no record.
//   - ender (end.go, completed.go): the end, also of a source before its run.
//   - callers (handler.go), view.go: the user's functions within a rebalance, and what they may
//     ask.
//   - watcher (stuck.go, whereabouts.go) tells of what does not come to its end; faults
//     (fetcherrors.go, doubts.go) decides which errors end a run.
//   - history.go is what a handle keeps from one run to the next.
//
// Lock order: Session.mu, then the feeds' and the trackers'. Nothing waits while it holds one, and
// no user function is called under one.
package reader
