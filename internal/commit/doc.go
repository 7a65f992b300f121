// Package commit is the one door through which a run commits offsets ([Door]), and the places that
// they go to ([Store]): the group, by its member ([Member]) or by an administrator ([Admin]).
//
// Everything that commits takes a turn at the door: the loop, at its interval and when it is woken;
// a revoke and the end of a run, for assignments that have ended; at most once, before it delivers;
// a user's function within a rebalance. A turn says when its offsets are collected, how long it is
// tried, and what follows while it is still held ([Turn]).
//
// What makes it safe:
//
//  1. It commits what the trackers say is finished without a gap, and nothing else.
//  2. Offsets are collected and sent within one turn; a revoke takes its own turn after the closing
//     of the trackers. So when a revoke returns, nothing of its partitions is on its way or can
//     come, and neither brokers nor client look whose partition an offset belongs to: a late one
//     would rewind the new owner.
//  3. A commit that is on its way is not cancelled: the client would give up its connection, and
//     the broker might take it after a later one. A deadline bounds what comes before. At the end
//     of a run, when its time is over, nothing comes later, and it is.
//  4. Offsets never go back within an assignment, except where at most once says so.
package commit
