package commit

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/internal/fault"
)

// Store is where offsets are kept.
type Store interface {
	// Commit makes one commit and returns the outcome of each offset, in their order. wait bounds
	// what comes before the request; once it is on its way, only life ends it. The door calls it,
	// in one turn after the other.
	Commit(wait, life context.Context, offsets []Offset) []error
	// Passing reports whether an offset with this outcome may be committed later.
	Passing(err error) bool
}

// Admin commits without being a member, by an administrator's request: what is read are partitions
// of the user's choice.
type Admin struct {
	Client *kadm.Client
	Group  string
}

var _ Store = (*Admin)(nil)

// Commit implements Store. It has nothing to wait for.
func (a *Admin) Commit(_, life context.Context, all []Offset) []error {
	var offsets kadm.Offsets
	for _, o := range all {
		offsets.Add(kadm.Offset{Topic: o.Topic, Partition: o.Partition.Partition, At: o.Offset, LeaderEpoch: o.Epoch, Metadata: o.Metadata})
	}
	results := make([]error, len(all))
	answers, err := a.Client.CommitOffsets(life, a.Group, offsets)
	for i, o := range all {
		switch answer, ok := answers.Lookup(o.Topic, o.Partition.Partition); {
		case err != nil:
			results[i] = a.explain(err)
		case !ok:
			results[i] = errNoAnswer
		default:
			results[i] = a.explain(answer.Err)
		}
	}
	return results
}

// Passing implements Store. What is refused for want of a membership stays refused: there is none
// that could become better.
func (a *Admin) Passing(err error) bool { return !fault.Any(err, ofMembers...) && passing(err) }

// explain says what the broker's answer means to somebody who is no member: a group that has
// members takes offsets from them alone, for as long as it has any.
func (a *Admin) explain(err error) error {
	if fault.Any(err, ofMembers...) {
		return fmt.Errorf("group %s has active members, so offsets of chosen partitions cannot be committed to it: stop them, or use another group: %w", a.Group, err)
	}
	return err
}

// ofMembers are the answers that say that whoever commits is not the member that it would have to
// be now.
var ofMembers = []*kerr.Error{
	kerr.RebalanceInProgress, kerr.UnknownMemberID, kerr.IllegalGeneration, kerr.StaleMemberEpoch, kerr.FencedMemberEpoch,
}

// passing reports whether a failed commit may succeed later, for reasons that all stores have in
// common.
func passing(err error) bool {
	if errors.Is(err, kerr.UnstableOffsetCommit) || givenUp(err) {
		return true
	}
	if code, ok := errors.AsType[*kerr.Error](err); ok {
		return code.Retriable
	}
	return !errors.Is(err, kgo.ErrClientClosed) // a connection that broke
}
