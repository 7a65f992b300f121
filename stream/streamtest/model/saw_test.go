package model

// saw counts the situations that the rules are about, so that a test can tell that the worlds contain them.
type situation int

const (
	sawFlushInside situation = iota
	sawRefusedInside
	sawBranchEnd
	sawMixedMerged
	sawLateDone
	sawLateCommit
	sawEarlyCommit
	sawWithdrawn
	sawNegative
	sawGiveUp
	sawCleanRevoke
	sawDeadline
	sawLost
	sawRewind
	sawEpoch
	sawAbort
	sawAhead
	sawBlocked
	sawCount
)

var situations = [sawCount]string{
	"a Batch flushed inside a FlatMap", "a push refused inside a FlatMap", "a branch completed while another lived",
	"a merged element with some marks revoked", "an end for an assignment that is over", "a Commit for an assignment that is over",
	"a Commit before the hand-over", "a hand-over withdrawn", "a negative acknowledgement", "a retry gave up",
	"a revoke waited for everything", "a revoke met its deadline", "a partition lost", "a rewind", "a transaction committed",
	"a transaction aborted", "an element went ahead of a retry", "an element did not overtake its partition",
}

func (w *world) saw(s situation) { w.seen[s]++ }
