package commit

import (
	"context"

	"github.com/twmb/franz-go/pkg/kadm"
)

// Store is where offsets are kept.
type Store interface {
	// Commit makes one commit and returns the outcome of each offset, in their order. wait bounds
	// what comes before the request; once it is on its way, only life ends it. The door calls it,
	// in one turn after the other.
	Commit(wait, life context.Context, offsets []Offset) []error
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
			results[i] = err
		case !ok:
			results[i] = errNoAnswer
		default:
			results[i] = answer.Err
		}
	}
	return results
}
