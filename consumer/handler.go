package consumer

import (
	"context"

	"github.com/vicuna-go/vicuna/internal/reader"
)

// Handler is called within rebalances, one call at a time, on the client's goroutine: the group
// waits for it. Revoking is called at the end of a run too, and Stopped there alone, on a goroutine
// of the run's. A call that takes longer than settings.HandlerWarning is logged; one that takes
// longer than the rebalance time-out loses the partitions. The context ends with the client. An
// error, or a panic, is a [*UserError] that ends the stream. nil functions are left out. Calls are
// made for partitions that there are; empty rebalances are not told.
type Handler struct {
	// Assigned: partitions have come, and nothing of them was fetched yet.
	Assigned func(ctx context.Context, r *Restricted, ps []TopicPartition) error
	// Revoking: partitions are about to go, since a revoke has begun, a drain has, or their source
	// has completed (which asks for all that are assigned; a hard stop tells nothing). Nothing more
	// of them is delivered, and what is in flight is not waited for yet: whoever gathers elements
	// by hand finishes now what he has. A Commit of their Committables counts, until Revoked is
	// called. Elements that are still on their way to him come afterwards; of these partitions he
	// finishes each at once. ctx ends when the waiting does: with settings.RevokeTimeout, the drain
	// time-out, or the close time-out; the call's time is part of it. It is called once for each
	// assignment of a partition.
	Revoking func(ctx context.Context, r *Restricted, ps []TopicPartition) error
	// Revoked: partitions are going. What was in flight is finished, or given up at the deadline,
	// and committed; they are still this consumer's until it returns.
	Revoked func(ctx context.Context, r *Restricted, ps []TopicPartition) error
	// Lost: partitions are somebody else's already.
	Lost func(ctx context.Context, r *Restricted, ps []TopicPartition) error
	// Stopped: the run is over, or its source has completed before it, and these were its
	// partitions; everything is committed, and the group is left after it.
	Stopped func(ctx context.Context, r *Restricted, ps []TopicPartition) error
}

// EventKind says what has happened to partitions.
type EventKind int8

const (
	// Assigned partitions have come.
	Assigned = EventKind(reader.Assigned)
	// Revoked ones were given back.
	Revoked = EventKind(reader.Revoked)
	// Lost ones were taken without notice.
	Lost = EventKind(reader.Lost)
	// Stopped: the run is over, and these were its partitions.
	Stopped = EventKind(reader.Stopped)
)

// String returns assigned, revoked, lost or stopped.
func (k EventKind) String() string {
	switch k {
	case Assigned:
		return "assigned"
	case Revoked:
		return "revoked"
	case Lost:
		return "lost"
	case Stopped:
		return "stopped"
	default:
		return "unknown"
	}
}

// Event is a change of the assignment.
type Event struct {
	Kind       EventKind
	Partitions []TopicPartition
}

// functions are those of the handler as a run calls them.
func (h Handler) functions() reader.Handler {
	return reader.Handler{
		Assigned: restrict(h.Assigned), Revoking: restrict(h.Revoking), Revoked: restrict(h.Revoked), Lost: restrict(h.Lost), Stopped: restrict(h.Stopped),
	}
}

// restrict gives a function the view of its call; nil stays nil.
func restrict(f func(context.Context, *Restricted, []TopicPartition) error) reader.HandlerFunc {
	if f == nil {
		return nil
	}
	return func(ctx context.Context, v *reader.View, ps []TopicPartition) error {
		return f(ctx, &Restricted{v}, ps)
	}
}

// Restricted is what a [Handler] may ask and do. It is valid during the call.
type Restricted struct{ v *reader.View }

// Assignment lists the partitions that are assigned now, in order; during Revoked and Lost those
// that go too.
func (r *Restricted) Assignment() []TopicPartition { return r.v.Assignment() }

// Position is the offset of the next record to be fetched of a partition; false where that is not
// known yet.
func (r *Restricted) Position(p TopicPartition) (int64, bool) {
	pos, ok := r.v.Position(p)
	return pos.Next, ok && pos.Next >= 0
}

// Committed asks for the group's committed offsets; partitions without one are left out.
func (r *Restricted) Committed(ctx context.Context, ps ...TopicPartition) (map[TopicPartition]int64, error) {
	return r.v.Committed(ctx, ps)
}

// Beginning asks for the offsets of the first records that there are.
func (r *Restricted) Beginning(ctx context.Context, ps ...TopicPartition) (map[TopicPartition]int64, error) {
	return r.v.Beginning(ctx, ps)
}

// End asks for the offsets after the last records; with settings.ReadCommitted, after the last
// that can be read.
func (r *Restricted) End(ctx context.Context, ps ...TopicPartition) (map[TopicPartition]int64, error) {
	return r.v.End(ctx, ps)
}

// Commit commits offsets of assigned partitions now, whatever is finished: each is that of the next
// record to be read. What is committed within Assigned is where these partitions are read from,
// unless a loader or [Offsets] says so; in the other functions it is for whoever reads them next,
// and the stream's own later commits go on from what was finished. Partitions that were lost are
// not committed: that is a [*CommitError], and so is what the group refuses.
func (r *Restricted) Commit(ctx context.Context, offsets map[TopicPartition]int64) error {
	return r.v.Commit(ctx, offsets)
}
