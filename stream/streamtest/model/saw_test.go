package model

// saw counts the situations that the rules are about, so that a test can tell that the worlds
// contain them.
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
	sawAnsweredInPart
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
	sawFixpoint
	sawRaised
	sawGap
	sawBegunAfterGap
	sawVoid
	sawGivenBack
	sawSweptInChain
	sawUntracked
	sawPassed
	sawDrainDeadline
	sawRevokeInDrain
	sawRewindWaits
	sawDrainInRevoke
	sawRunBegun
	sawSetAside
	sawHolderSplit
	sawGateRaised
	sawPassedTheGate
	sawRevokeEndsEpoch
	sawCount
)

var situations = [sawCount]string{
	"a Batch flushed inside a FlatMap", "a push refused inside a FlatMap", "a branch completed while another lived",
	"a merged element with some marks revoked", "an end for an assignment that is over", "a Commit for an assignment that is over",
	"a Commit before the hand-over", "a hand-over withdrawn", "one of several hand-overs answered",
	"a negative acknowledgement", "a retry gave up",
	"a revoke waited for everything", "a revoke met its deadline", "a partition lost", "a rewind", "a transaction committed",
	"a transaction aborted", "an element went ahead of a retry", "an element did not overtake its partition",
	"a cut was raised for a merge and that for another", "a cut was raised for a merge", "a gap", "a gap before what has begun",
	"a merge became void", "a record was given back", "an element was thrown away inside a chain", "a batch with untracked elements",
	"a result passed a kept one", "a drain met its deadline", "a revoke during a drain", "a rewind waited for what is before the gap",
	"a drain during a revoke", "a run of records begun at once",
	"an output waited at the gate", "a holder kept what lies after the gate's cut", "the gate's cut was raised for a merge",
	"an output passed others at the gate", "a revoke that ended an epoch",
}

func (w *world) saw(s situation) { w.seen[s]++ }
