package model

import "reflect"

// rules has a switch for each rule of the accounting. All are on in a correct engine; a test turns
// off one at a time.
type rules struct {
	// The frame of an island: {cur, outs, fate}.
	// nothing went out and the fate is fine: done (filtered, skipped, a finishing sink returned)
	FrameZeroOutputsDone bool
	// an island that may expand opens a counted split before the first output
	SplitForExpanding bool
	// what may expand is asked per frame: up to the next holder or finishing flow
	SplitPerFrame     bool
	SplitOwnHold      bool // the frame holds a part of its own until the closure returned
	RefusedAbandons   bool // a push refused by a cancelled downstream abandons
	FaultAbandons     bool // a fault abandons
	AbandonedWins     bool // an abandoned frame is abandoned whatever went out before
	AbandonedPartWins bool // one abandoned part makes its whole split abandoned

	// Holders.
	JoinTokens    bool // a batch carries the tokens of all that it holds
	EmissionFrame bool // an emission has a frame of its own, and the outer one is restored
	// timers and hurry flush between elements, never inside a push that waits
	NoFlushInBlockedPush  bool
	MergedGoesWhenAllGone bool // a merged element is dropped only when all its marks are revoked

	// Policies.
	// a policy covers its stage's user call, never the push to what follows
	PolicyCoversOwnCall bool

	// Tokens.
	FreshIndex      bool // each assignment, rewind and run gets an index never used before
	CountedFromPoll bool // a record is outstanding from the poll on, not from its delivery
	EndsOncePerMark bool // a mark that ended twice counts once

	// Hand-over.
	HandOverBeforeSend bool // a hand-over is recorded before the element is sent
	HandOverWithdrawn  bool // and withdrawn when the element was not taken after all
	CommitSticky       bool // a Commit before the hand-over, or while parts travel, is remembered
	// a Commit belongs to its position: it does not end parts that still travel
	CommitOfPosition bool
	// an element is handed over once for each token that it carries, also where several are of one
	// position
	HandOverPerToken bool
	// a stage of another graph answers one hand-over for each of those, and not all of the position
	AnswerCounts bool
	// a stage that has the element by its token answers no hand-over of another branch
	TokenAnswersNone bool

	// Abandoning in a run that goes on.
	// what a branch refuses is not given up as long as another may take it
	RefusalWaits          bool
	RefusedByAllIsGivenUp bool // what all branches refuse is given up
	// a broadcast asks of each element that it gets, and not of each that its island takes in
	BranchesHaveAFrame    bool
	RewindOnAbandon       bool // any other abandon rewinds the partition or fails the run
	RetryGoesAhead        bool // while it pauses, what is revoked behind it goes ahead
	AheadOvertakesNothing bool // but not of anything that has a record of the same partition
	// nor of a record of an ended assignment, which may be back under another index
	EndedBlocksAll     bool
	VoidStillBlocks    bool // nor of a void merge, whose other partitions have no gap yet
	AheadSeesAllPauses bool // nor of what pauses further out, when what went ahead pauses itself
	AsideComesFirst    bool // what is set aside comes before what comes in
	AbortOnAbandon     bool // a transaction with something abandoned aborts

	// The gate of a transactional session: its sinks are where an output enters the transaction.
	// an epoch's end closes the gate, and what lies after its cut waits there for the next one
	GateCloses bool
	// an epoch waits until every record up to the cut is finished, and not for answers alone
	EpochWaitsForCut bool
	// what is committed are the offsets of what is finished, and not of what was polled
	EpochCommitsFinished bool
	// when the gate closes, the cut is raised for merges on their way that lie on both sides of it
	GateCoversMerges bool
	GateFixpoint     bool // until nothing changes
	// while it is closed, holders make no merge of both sides
	HoldersHeedTheGate bool
	GateHurries        bool // and emit what the epoch waits for
	// what waits at the gate is set aside: what the epoch waits for passes
	GateSetsAside    bool
	GateOpensInOrder bool // and goes first when the gate opens
	// partitions are revoked when the epoch that has their outputs is over
	RevokeEndsEpoch bool
	LossAborts      bool // partitions that were lost leave outputs that must not be committed

	// Visibility, finishing flows, hurry.
	PendingRunVisible bool // commit loop and revoke read an island's pending run at any time
	FinishedUntracked bool // what leaves a finishing flow carries no token
	HurryFlush        bool // under hurry holders emit what they have
	HurryWhenHeldBack bool // a source that is held back is a reason to hurry

	// The cut.
	// all stages ask one cut for each assignment, and none decides for itself what has not begun
	OneCutForAllStages bool
	// a freeze is one step: nothing begins between finding the highest position that has begun and
	// freezing it
	FreezeAtOnce bool
	Fixpoint     bool // cuts are raised for merges until nothing changes
	// a merge with a record that is kept, or lies before its cut, runs, and raises the other cuts
	MixedMergesRun     bool
	MergeClaimsAtOnce  bool // a merge claims all of its records in one step
	TakenInIsGivenBack bool // an end finishes what has begun, and not all that was taken in
	// an end lets holders give back what has not begun, instead of emitting it
	HoldersGiveBack           bool
	EmitFilters               bool // a holder filters and makes its token in one step
	GivenBackIsNotOutstanding bool // what lies after the cut is not outstanding
	SweptGivesMemoryBack      bool // the memory of what is given back goes when it is thrown away
	RefusedIsNotDone          bool // an element whose claim is refused is given back, not done
	FinishingFlowClaims       bool // a finishing flow claims what it lets on
	// a merge with elements that have no token has begun, and is never void
	UntrackedIsFinished bool
	CutAtGap            bool // what is given up lowers the cut: nothing after it finishes
	FinishBeforeGap     bool // what lies before a gap is finished, also what has not begun …
	EndsAfterAGap       bool // … unless an end comes: that finishes what has begun, as always
	// the first part that is given up makes the gap, not the last part that ends
	SplitTellsAtOnce bool
	// merges become void when the gap is made, whatever becomes of its assignment
	VoidIsNoted      bool
	VoidThroughSplit bool // a part of a void merge is given up, not given back
	RewindWaits      bool // a rewind waits for what lies before the gap
	HurryForRewind   bool // and everybody hurries meanwhile
	// retries go on until shortly before the deadline of those who wait
	RetryUntilDeadline bool
	// and not until the deadline of those who wait for something else
	KeptAreNotHurried bool
	// results that are being revoked pass kept ones in ordered worker stages
	LeavingPassKept bool
	AheadIsBounded  bool // what has begun runs ahead of later stages a little only
	// a worker stage begins nothing while many of its results wait for room
	ResultsAreBounded bool
	// a key is busy until its call has returned, whatever became of the element
	KeyBusyUntilReturn bool
}

// leftOut is a rule that is left out. Where its case is rare, from is a seed near one that shows
// it.
type leftOut struct {
	name string
	off  func(*rules)
	from uint64
}

// without lists the switches by name, in the order of the struct.
var without = []leftOut{
	{"FrameZeroOutputsDone", func(r *rules) { r.FrameZeroOutputsDone = false }, 0},
	{"SplitForExpanding", func(r *rules) { r.SplitForExpanding = false }, 0},
	{"SplitPerFrame", func(r *rules) { r.SplitPerFrame = false }, 0},
	{"SplitOwnHold", func(r *rules) { r.SplitOwnHold = false }, 0},
	{"RefusedAbandons", func(r *rules) { r.RefusedAbandons = false }, 0},
	{"FaultAbandons", func(r *rules) { r.FaultAbandons = false }, 0},
	{"AbandonedWins", func(r *rules) { r.AbandonedWins = false }, 0},
	{"AbandonedPartWins", func(r *rules) { r.AbandonedPartWins = false }, 0},
	{"JoinTokens", func(r *rules) { r.JoinTokens = false }, 0},
	{"EmissionFrame", func(r *rules) { r.EmissionFrame = false }, 0},
	{"NoFlushInBlockedPush", func(r *rules) { r.NoFlushInBlockedPush = false }, 0},
	{"MergedGoesWhenAllGone", func(r *rules) { r.MergedGoesWhenAllGone = false }, 0},
	{"PolicyCoversOwnCall", func(r *rules) { r.PolicyCoversOwnCall = false }, 0},
	{"FreshIndex", func(r *rules) { r.FreshIndex = false }, 0},
	{"CountedFromPoll", func(r *rules) { r.CountedFromPoll = false }, 0},
	{"EndsOncePerMark", func(r *rules) { r.EndsOncePerMark = false }, 0},
	{"HandOverBeforeSend", func(r *rules) { r.HandOverBeforeSend = false }, 0},
	{"HandOverWithdrawn", func(r *rules) { r.HandOverWithdrawn = false }, 0},
	{"CommitSticky", func(r *rules) { r.CommitSticky = false }, 0},
	{"CommitOfPosition", func(r *rules) { r.CommitOfPosition = false }, 0},
	{"HandOverPerToken", func(r *rules) { r.HandOverPerToken = false }, 0},
	{"AnswerCounts", func(r *rules) { r.AnswerCounts = false }, 0},
	{"TokenAnswersNone", func(r *rules) { r.TokenAnswersNone = false }, 0},
	{"RefusalWaits", func(r *rules) { r.RefusalWaits = false }, 0},
	{"RefusedByAllIsGivenUp", func(r *rules) { r.RefusedByAllIsGivenUp = false }, 0},
	{"BranchesHaveAFrame", func(r *rules) { r.BranchesHaveAFrame = false }, 0},
	{"RewindOnAbandon", func(r *rules) { r.RewindOnAbandon = false }, 0},
	{"RetryGoesAhead", func(r *rules) { r.RetryGoesAhead = false }, 0},
	{"AheadOvertakesNothing", func(r *rules) { r.AheadOvertakesNothing = false }, 0},
	{"VoidStillBlocks", func(r *rules) { r.VoidStillBlocks = false }, 3634},
	{"AheadSeesAllPauses", func(r *rules) { r.AheadSeesAllPauses = false }, 3806},
	{"AsideComesFirst", func(r *rules) { r.AsideComesFirst = false }, 0},
	{"AbortOnAbandon", func(r *rules) { r.AbortOnAbandon = false }, 0},
	{"GateCloses", func(r *rules) { r.GateCloses = false }, 0},
	{"EpochWaitsForCut", func(r *rules) { r.EpochWaitsForCut = false }, 0},
	{"EpochCommitsFinished", func(r *rules) { r.EpochCommitsFinished = false }, 0},
	{"GateCoversMerges", func(r *rules) { r.GateCoversMerges = false }, 0},
	{"GateFixpoint", func(r *rules) { r.GateFixpoint = false }, 5860},
	{"HoldersHeedTheGate", func(r *rules) { r.HoldersHeedTheGate = false }, 0},
	{"GateHurries", func(r *rules) { r.GateHurries = false }, 0},
	{"GateSetsAside", func(r *rules) { r.GateSetsAside = false }, 0},
	{"GateOpensInOrder", func(r *rules) { r.GateOpensInOrder = false }, 0},
	{"RevokeEndsEpoch", func(r *rules) { r.RevokeEndsEpoch = false }, 0},
	{"LossAborts", func(r *rules) { r.LossAborts = false }, 0},
	{"PendingRunVisible", func(r *rules) { r.PendingRunVisible = false }, 0},
	{"FinishedUntracked", func(r *rules) { r.FinishedUntracked = false }, 0},
	{"HurryFlush", func(r *rules) { r.HurryFlush = false }, 0},
	{"HurryWhenHeldBack", func(r *rules) { r.HurryWhenHeldBack = false }, 0},
	{"OneCutForAllStages", func(r *rules) { r.OneCutForAllStages = false }, 0},
	{"FreezeAtOnce", func(r *rules) { r.FreezeAtOnce = false }, 0},
	{"Fixpoint", func(r *rules) { r.Fixpoint = false }, 241},
	{"MixedMergesRun", func(r *rules) { r.MixedMergesRun = false }, 147},
	{"TakenInIsGivenBack", func(r *rules) { r.TakenInIsGivenBack = false }, 0},
	{"HoldersGiveBack", func(r *rules) { r.HoldersGiveBack = false }, 0},
	{"EmitFilters", func(r *rules) { r.EmitFilters = false }, 22},
	{"GivenBackIsNotOutstanding", func(r *rules) { r.GivenBackIsNotOutstanding = false }, 0},
	{"SweptGivesMemoryBack", func(r *rules) { r.SweptGivesMemoryBack = false }, 0},
	{"RefusedIsNotDone", func(r *rules) { r.RefusedIsNotDone = false }, 0},
	{"FinishingFlowClaims", func(r *rules) { r.FinishingFlowClaims = false }, 0},
	{"UntrackedIsFinished", func(r *rules) { r.UntrackedIsFinished = false }, 0},
	{"CutAtGap", func(r *rules) { r.CutAtGap = false }, 0},
	{"FinishBeforeGap", func(r *rules) { r.FinishBeforeGap = false }, 0},
	{"EndsAfterAGap", func(r *rules) { r.EndsAfterAGap = false }, 0},
	{"SplitTellsAtOnce", func(r *rules) { r.SplitTellsAtOnce = false }, 0},
	{"VoidIsNoted", func(r *rules) { r.VoidIsNoted = false }, 565},
	{"VoidThroughSplit", func(r *rules) { r.VoidThroughSplit = false }, 1475},
	{"RewindWaits", func(r *rules) { r.RewindWaits = false }, 0},
	{"HurryForRewind", func(r *rules) { r.HurryForRewind = false }, 2227},
	{"RetryUntilDeadline", func(r *rules) { r.RetryUntilDeadline = false }, 0},
	{"KeptAreNotHurried", func(r *rules) { r.KeptAreNotHurried = false }, 0},
	{"LeavingPassKept", func(r *rules) { r.LeavingPassKept = false }, 0},
	{"AheadIsBounded", func(r *rules) { r.AheadIsBounded = false }, 0},
	{"ResultsAreBounded", func(r *rules) { r.ResultsAreBounded = false }, 0},
	{"KeyBusyUntilReturn", func(r *rules) { r.KeyBusyUntilReturn = false }, 5136},
}

// allRules returns the rules with every switch on.
func allRules() *rules {
	r := new(rules)
	v := reflect.ValueOf(r).Elem()
	for i := range v.NumField() {
		v.Field(i).SetBool(true)
	}
	return r
}
