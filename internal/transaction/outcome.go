package transaction

import "fmt"

// Ended is what has become of a transaction.
type Ended uint8

const (
	// Committed: the records can be read, and the group's offsets are at the cut.
	Committed Ended = iota + 1
	// Aborted: nothing of it can be read, and the group's offsets are where they were.
	Aborted
	// Deferred: nothing was produced, and the offsets could not be committed, or not all of them.
	// Nothing has to be done again: they belong to the next commit.
	Deferred
	// Unresolved: it was asked to commit, and whether it did could not be found out. A [Doubt] is
	// with it, which a new client may resolve.
	Unresolved
)

func (e Ended) String() string {
	switch e {
	case Committed:
		return "committed"
	case Aborted:
		return "aborted"
	case Deferred:
		return "deferred"
	case Unresolved:
		return "unresolved"
	}
	return fmt.Sprintf("Ended(%d)", uint8(e))
}

// Client is whether another transaction can follow.
type Client uint8

const (
	// Usable: with this client.
	Usable Client = iota + 1
	// Unusable: with a new client of the same transactional id, which ends whatever this one may
	// have left open.
	Unusable
	// Fenced: with none. Another instance has taken the transactional id.
	Fenced
	// Refused: with none, until somebody has changed a setting or a permission; see the error.
	Refused
)

func (c Client) String() string {
	switch c {
	case Usable:
		return "usable"
	case Unusable:
		return "unusable"
	case Fenced:
		return "fenced"
	case Refused:
		return "refused"
	}
	return fmt.Sprintf("Client(%d)", uint8(c))
}

// Cause is why a transaction was not committed.
type Cause uint8

const (
	// None: it was committed.
	None Cause = iota
	// Asked: by Abort.
	Asked
	// Stopped: its life was over before a commit was asked for.
	Stopped
	// FailedProduce: a record was not acknowledged.
	FailedProduce
	// Rebalance: the group does not take the offsets from this member any more.
	Rebalance
	// Expired: the broker's own transaction time-out has ended it, as far as can be told.
	Expired
	// TakenOver: another instance with the transactional id has ended it.
	TakenOver
	// Coordinator: a coordinator could not be asked in time, or had an error of its own.
	Coordinator
	// Forbidden: a permission or a setting is missing.
	Forbidden
	// State: the coordinator knows the transaction, or the producer's id, in another state.
	State
	// Lost: nobody knows whether the commit was carried out.
	Lost
)

var causes = [...]string{
	None: "none", Asked: "asked for", Stopped: "stopped", FailedProduce: "failed produce", Rebalance: "rebalance", Expired: "time-out in the broker",
	TakenOver: "taken over", Coordinator: "coordinator", Forbidden: "forbidden", State: "state", Lost: "lost answer",
}

func (c Cause) String() string {
	if int(c) < len(causes) {
		return causes[c]
	}
	return fmt.Sprintf("Cause(%d)", uint8(c))
}

// Outcome is how a transaction has ended, and whether another can follow. The two are told apart:
// a transaction that was committed may have left a client that is fenced.
type Outcome struct {
	Ended  Ended
	Client Client
	// Cause is why it was not committed, and none where it was.
	Cause Cause
	// Err is nil where it was committed and the client is usable. Else it is one of this package's
	// errors, and wraps the broker's.
	Err error
	// Doubt is what a new client needs to resolve it; nil but for Unresolved.
	Doubt *Doubt
}

func (o Outcome) String() string {
	s := o.Ended.String() + ", client " + o.Client.String()
	if o.Cause != None {
		s += ", cause: " + o.Cause.String()
	}
	if o.Err != nil {
		s += ": " + o.Err.Error()
	}
	return s
}
