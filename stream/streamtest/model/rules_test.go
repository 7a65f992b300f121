package model

import "reflect"

// rules has a switch for each rule of the accounting. All are on in a correct engine; a test turns off one at a time.
type rules struct {
	// The frame of an island: {cur, outs, fate}.
	FrameZeroOutputsDone bool // nothing went out and the fate is fine: done (filtered, skipped, a finishing sink returned)
	SplitForExpanding    bool // an island that may expand opens a counted split before the first output
	SplitPerFrame        bool // what may expand is asked per frame: up to the next holder or finishing flow
	SplitOwnHold         bool // the frame holds a part of its own until the closure returned
	RefusedAbandons      bool // a push refused by a cancelled downstream abandons
	FaultAbandons        bool // a fault abandons
	AbandonedWins        bool // an abandoned frame is abandoned whatever went out before
	AbandonedPartWins    bool // one abandoned part makes its whole split abandoned

	// Holders.
	JoinTokens            bool // a batch carries the tokens of all that it holds
	EmissionFrame         bool // an emission has a frame of its own, and the outer one is restored
	NoFlushInBlockedPush  bool // timers and hurry flush between elements, never inside a push that waits
	MergedGoesWhenAllGone bool // a merged element is dropped only when all its marks are revoked

	// Policies.
	PolicyCoversOwnCall bool // a policy covers its stage's user call, never the push to what follows

	// Tokens.
	FreshIndex      bool // each assignment, rewind and run gets an index never used before
	CountedFromPoll bool // a record is outstanding from the poll on, not from its delivery
	EndsOncePerMark bool // a mark that ended twice counts once

	// Hand-over.
	HandOverBeforeSend bool // a hand-over is recorded before the element is sent
	HandOverWithdrawn  bool // and withdrawn when the element was not taken after all
	CommitSticky       bool // a Commit before the hand-over, or while parts travel, is remembered
	CommitOfPosition   bool // a Commit belongs to its position: it does not end parts that still travel

	// Abandoning in a run that goes on.
	BranchEndsDone        bool // a branch that completes while another lives ends its parts as done
	BranchVerdictAtOnce   bool // which branch was the last is decided when it completes, not when its queue closes
	RewindOnAbandon       bool // any other abandon rewinds the partition or fails the run
	RetryGivesUpRevoked   bool // a retry gives up revoked marks only
	RetryGoesAhead        bool // while it pauses, what is revoked behind it goes ahead
	AheadOvertakesNothing bool // but not of anything that has a record of the same partition
	AsideComesFirst       bool // what is set aside comes before what comes in
	AbortOnAbandon        bool // a transaction with something abandoned aborts
	EpochKeepsPolled      bool // a drain takes back nothing that a transaction's end would commit

	// Visibility, finishing flows, hurry.
	PendingRunVisible bool // commit loop and revoke read an island's pending run at any time
	FinishedUntracked bool // what leaves a finishing flow carries no token
	HurryFlush        bool // under hurry holders emit what they have
	HurryWhenHeldBack bool // a source that is held back is a reason to hurry
}

// without lists the switches by name, in the order of the struct.
var without = []struct {
	name string
	off  func(*rules)
}{
	{"FrameZeroOutputsDone", func(r *rules) { r.FrameZeroOutputsDone = false }},
	{"SplitForExpanding", func(r *rules) { r.SplitForExpanding = false }},
	{"SplitPerFrame", func(r *rules) { r.SplitPerFrame = false }},
	{"SplitOwnHold", func(r *rules) { r.SplitOwnHold = false }},
	{"RefusedAbandons", func(r *rules) { r.RefusedAbandons = false }},
	{"FaultAbandons", func(r *rules) { r.FaultAbandons = false }},
	{"AbandonedWins", func(r *rules) { r.AbandonedWins = false }},
	{"AbandonedPartWins", func(r *rules) { r.AbandonedPartWins = false }},
	{"JoinTokens", func(r *rules) { r.JoinTokens = false }},
	{"EmissionFrame", func(r *rules) { r.EmissionFrame = false }},
	{"NoFlushInBlockedPush", func(r *rules) { r.NoFlushInBlockedPush = false }},
	{"MergedGoesWhenAllGone", func(r *rules) { r.MergedGoesWhenAllGone = false }},
	{"PolicyCoversOwnCall", func(r *rules) { r.PolicyCoversOwnCall = false }},
	{"FreshIndex", func(r *rules) { r.FreshIndex = false }},
	{"CountedFromPoll", func(r *rules) { r.CountedFromPoll = false }},
	{"EndsOncePerMark", func(r *rules) { r.EndsOncePerMark = false }},
	{"HandOverBeforeSend", func(r *rules) { r.HandOverBeforeSend = false }},
	{"HandOverWithdrawn", func(r *rules) { r.HandOverWithdrawn = false }},
	{"CommitSticky", func(r *rules) { r.CommitSticky = false }},
	{"CommitOfPosition", func(r *rules) { r.CommitOfPosition = false }},
	{"BranchEndsDone", func(r *rules) { r.BranchEndsDone = false }},
	{"BranchVerdictAtOnce", func(r *rules) { r.BranchVerdictAtOnce = false }},
	{"RewindOnAbandon", func(r *rules) { r.RewindOnAbandon = false }},
	{"RetryGivesUpRevoked", func(r *rules) { r.RetryGivesUpRevoked = false }},
	{"RetryGoesAhead", func(r *rules) { r.RetryGoesAhead = false }},
	{"AheadOvertakesNothing", func(r *rules) { r.AheadOvertakesNothing = false }},
	{"AsideComesFirst", func(r *rules) { r.AsideComesFirst = false }},
	{"AbortOnAbandon", func(r *rules) { r.AbortOnAbandon = false }},
	{"EpochKeepsPolled", func(r *rules) { r.EpochKeepsPolled = false }},
	{"PendingRunVisible", func(r *rules) { r.PendingRunVisible = false }},
	{"FinishedUntracked", func(r *rules) { r.FinishedUntracked = false }},
	{"HurryFlush", func(r *rules) { r.HurryFlush = false }},
	{"HurryWhenHeldBack", func(r *rules) { r.HurryWhenHeldBack = false }},
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
