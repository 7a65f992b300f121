package committing

import (
	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/internal/core"
	"github.com/vicuna-go/vicuna/settings"
)

// Group is one run of one consumer handle, as those see it who finish its elements. Its methods are
// called from any goroutine, a client's promises included, and with no lock held. Groups are
// compared with ==.
type Group interface {
	// CommitGroup has Wake, which asks for a commit now rather than at the interval, and Flush,
	// which commits what is committable and waits for the broker's answer, or for ctx's end: then
	// it gives up the waiting and not the commit. Where nothing is committable Flush returns at
	// once, and so it does where the group has ended. A failed commit is the group's to report, by
	// failing its run; Flush returns the error besides.
	core.CommitGroup
	// Arm says that from now on there is a committer: the group commits, on a revoke and at its end
	// too. It may be called many times, with different settings, before the group's run has started
	// and after its end, and does not wait. Whichever settings ask for the earlier commit count.
	Arm(cm settings.Committer)
}

// Ender is what a Group may be besides. A stage that outlives many groups of other graphs forgets
// those that have ended.
type Ender interface {
	Ended() bool
}

// Offset is what a consumer's Committable is besides.
type Offset interface {
	envelope.Committable
	// Group is the run that the offset belongs to, always the same; nil where the offset has ended
	// and is to be used again.
	Group() Group
	// HandedOver reports whether the position, or anything of its assignment, was ever handed over
	// to code outside of its graph. Where that is not so, tokens alone say what is finished. Any
	// goroutine, at any time, as for the next two.
	HandedOver() bool
	// Token is the position's, and the ledger of the run that it belongs to.
	Token() (*core.Ledger, core.Token)
	// Answer says that one element of those that were handed over with the position is finished.
	// Unlike Commit it is for that one alone, and counts each time.
	Answer()
}
