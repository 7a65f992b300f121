// Package reader is one run of a consumer on untyped records: a client, the partitions that are
// assigned to it, and the goroutines between it and the stream. Package consumer puts types before
// it.
//
//   - session.go: what a run is made of, begin and end.
//   - poll.go fetches and delivers; it never waits for the stream, only for room in the budget.
//   - attend.go looks at what changes while the poller waits; execute.go is the one place where
//     what the partitions' table has decided is carried out.
//   - rebalance.go, rejoined.go: the client's callbacks, which take partitions away and bring
//     others.
//   - lane.go, handout.go, substream.go: the ways from the poller to the islands.
//   - begin.go, positions.go, latest.go, manual.go: where partitions begin.
//   - offsets.go: what may be committed; ahead.go commits before it delivers, at most once.
//   - tail.go finds out, in a bounded run, that a log's last offsets hold no record.
//   - completed.go, leave.go: the end of a source before its run, and the leaving of the group.
//   - handler.go, view.go: the user's functions within a rebalance, and what they may ask.
//   - stuck.go, report.go, whereabouts.go: what is told of records that stay undone.
//
// Lock order: Session.mu, then the feeds' and the trackers'. Nothing waits while it holds one, and
// no user function is called under one.
package reader
