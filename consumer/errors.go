package consumer

import "github.com/vicuna-go/vicuna/internal/fault"

var (
	// ErrRunning says that the handle has a run already, or that two of its sources stand in one
	// graph.
	ErrRunning = fault.ErrRunning
	// ErrNotRunning says that the handle has no run that could be asked.
	ErrNotRunning = fault.ErrNotRunning
	// ErrNoGroup says that a source which needs a group was built with settings that name none.
	ErrNoGroup = fault.ErrNoGroup
	// ErrNoAssignment says that the consumer has no partitions now because it is still joining its
	// group, or was put out of it: how far it is behind is not known.
	ErrNoAssignment = fault.ErrNoAssignment
	// ErrNotAssigned says that a partition is not assigned to this consumer now.
	ErrNotAssigned = fault.ErrNotAssigned
)

// The errors of a run are made in its rooms, below this package, and are given to users here.
type (
	// NoCommitterError says that a source which commits stands in a graph without a committing
	// stage: nothing of it would ever be committed. Its graph was not run. Source is the stage's
	// name, with the partition where it is a sub-stream, and Group the one whose offsets would not
	// be committed (strings). See [CommitsElsewhere].
	NoCommitterError = fault.NoCommitterError
	// UnreachableError says that no broker could be reached, and where.
	UnreachableError = fault.UnreachableError
	// StartError says that a run could not begin to read within settings.StartTimeout. After is how
	// long it was tried (a time.Duration); it wraps Err, what stood in the way last: an
	// [*UnreachableError], a [*FetchError] for a topic that is not there, a [*GroupError] for a
	// group without a coordinator.
	StartError = fault.StartError
	// DecodeError says that a record's key or value could not be deserialised. It has the record's
	// Topic, Partition (int32) and Offset (int64), the Part ("key" or "value"), and wraps Err, the
	// serde's error.
	DecodeError = fault.DecodeError
	// FetchError says that a partition, or all of a topic's where Partition is -1, cannot be read:
	// no permission, no such topic. It has Topic and Partition (int32), and wraps Err, the broker's
	// error (package kerr).
	FetchError = fault.FetchError
	// OutOfRangeError says that the offset to read is not there: records were deleted, or the topic
	// was made anew or truncated. It has Topic, Partition (int32), the Offset (int64) that was
	// asked for, -1 where it is not known, and wraps Err. settings.OutOfRange chooses what happens
	// instead of this error.
	OutOfRangeError = fault.OutOfRangeError
	// GroupError says that the group does not have this consumer as a member: no permission, an
	// instance id that somebody else has taken, a protocol that the others do not speak. It has the
	// Group, and wraps Err, the broker's error.
	GroupError = fault.GroupError
	// CommitError says that offsets could not be committed. It has the Group, the Topic, Partition
	// (int32) and Offset (int64) where it is about one offset, else an empty Topic, and the
	// Partitions (each a [TopicPartition]) whose offsets were not committed. Where it is Retriable
	// nothing was refused for good, and the commit was not made in the time that there was: Err
	// says which setting bounds that, and what the brokers have said last. Where it is not, trying
	// again would not help. It wraps Err, the broker's error.
	CommitError = fault.CommitError
	// UserError says that a function of the user's that the consumer calls outside the stream
	// failed or panicked. What names it ("assigned handler", "offset loader", "metadata function"),
	// Group and Source (strings) say of which consumer, where no stage has called it, Partitions
	// are those that it was called for, and it wraps Err.
	UserError = fault.UserError
)
