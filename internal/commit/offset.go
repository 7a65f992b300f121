package commit

import (
	"errors"
	"sync/atomic"

	"github.com/vicuna-go/vicuna/internal/topics"
	"github.com/vicuna-go/vicuna/internal/tracker"
)

// Offset is an offset to be committed: the next one to be read of a partition.
type Offset struct {
	topics.Partition
	tracker.Mark
	// Metadata is committed with it, where HasMetadata says so.
	Metadata    string
	HasMetadata bool
	// From is the first offset that was read of the partition, where Counts says so: what is
	// committed is counted from there on.
	From   int64
	Counts bool
	// Back says that it may go back.
	Back bool
	// Owner says who may commit it; nil is anybody.
	Owner *Owner
}

// Owner says whether an offset may still be committed. The group accepts whatever a member of
// today's generation sends, also of a partition that it had in an earlier life: so each commit is
// looked at once more when its request is made.
type Owner struct {
	// the client's id in the group when the partition was assigned; never changed
	member string
	gone   atomic.Bool // set by Leave, for good
}

// NewOwner is the owner of a partition that a member was given.
func NewOwner(member string) *Owner { return &Owner{member: member} }

// Member is the one that was given the partition.
func (o *Owner) Member() string { return o.member }

// Leave says that the partition is not its member's any more. Any goroutine.
func (o *Owner) Leave() { o.gone.Store(true) }

// By reports whether the member may commit.
func (o *Owner) By(member string) bool {
	return o == nil || !o.gone.Load() && (o.member == "" || member == "" || o.member == member)
}

// The outcomes of an offset that no broker tells.
var (
	// ErrGone is that of an offset that is not ours to commit any more.
	ErrGone = errors.New("the partition is not this member's any more")

	errNoAnswer = errors.New("the broker's answer does not name the partition")
)
