// Package commit is the one door through which a run commits offsets ([Door]), and the places that
// they go to ([Store]): the group, by its member ([Member]) or by an administrator ([Admin]).
//
// A turn is the right to commit, which one has at a time. Everything that commits takes one: the
// loop, at its interval and when it is woken; a revoke and the end of a run, for assignments that
// have ended; at most once, before it delivers; a user's function within a rebalance. What is done
// in it is a [Round]: when its offsets are collected, how long their commit is tried, and what
// follows while the turn is still held.
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
//  5. What may succeed later is no failure of the run's, and is never without a reason: whoever has
//     waited for it for too long is told what the brokers have said last, which partitions it is
//     about, and which setting was too short (late.go). Whether an answer is one of these only the
//     store can say.
package commit
