package producer

import "github.com/vicuna-go/vicuna/internal/kclient"

// Errors of the client's; errors.As finds them in what a stream, an Element or a constructor
// returns.
type (
	// DeliveryTimeoutError says that a record had no outcome within its delivery time-out.
	DeliveryTimeoutError = kclient.DeliveryTimeoutError
	// PartitionError says that no partition could be chosen for a record: it names one that its
	// topic does not have, or the partitioner failed.
	PartitionError = kclient.PartitionError
	// UnreachableError says that no broker could be reached, and where.
	UnreachableError = kclient.UnreachableError
	// ClientError says that a client cannot be shared, or not with these settings.
	ClientError = kclient.ClientError
)
