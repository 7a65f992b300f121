package transaction

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/internal/commit"
	"github.com/vicuna-go/vicuna/internal/fault"
)

// verdict is what an answer that is no success means to whoever has asked.
type verdict uint8

const (
	again   verdict = iota + 1 // the same may succeed later
	moved                      // the group has another idea of who has the partitions
	stale                      // the producer's epoch is not the last one any more: see expired
	state                      // the coordinator knows producer or transaction in another state
	refused                    // nothing but another setting or permission changes it
	broken                     // an error of the broker's own, which says nothing
	gone                       // the client was closed, or the time is over
)

// permissions are the answers for want of a permission.
var permissions = []*kerr.Error{
	kerr.TransactionalIDAuthorizationFailed, kerr.GroupAuthorizationFailed, kerr.TopicAuthorizationFailed, kerr.ClusterAuthorizationFailed,
}

// judge says what an error means. It is pure; a table of the tests has each error of each request.
func judge(err error) verdict {
	switch {
	case fault.Any(err, kerr.ProducerFenced, kerr.InvalidProducerEpoch):
		return stale
	case errors.Is(err, commit.ErrGone), fault.Any(err, kerr.IllegalGeneration, kerr.UnknownMemberID, kerr.StaleMemberEpoch, kerr.FencedMemberEpoch,
		kerr.FencedInstanceID, kerr.RebalanceInProgress, kerr.GroupIDNotFound):
		return moved
	case fault.Any(err, permissions...), fault.Any(err, kerr.InvalidTransactionTimeout, kerr.UnsupportedVersion, kerr.UnsupportedForMessageFormat,
		kerr.InvalidRequest):
		return refused
	case fault.Any(err, kerr.InvalidTxnState, kerr.InvalidProducerIDMapping, kerr.UnknownProducerID, kerr.TransactionAbortable, kerr.OperationNotAttempted):
		return state
	case fault.Any(err, kerr.ConcurrentTransactions):
		return again // the last transaction's markers are being written
	case errors.Is(err, kgo.ErrClientClosed):
		return gone
	}
	if code, ok := errors.AsType[*kerr.Error](err); ok {
		if code.Retriable {
			return again
		}
		return broken
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return gone
	}
	return again // a connection that broke, or could not be made
}

// cause is why a transaction is aborted for an error.
func cause(err error, expired bool) Cause {
	switch judge(err) {
	case moved:
		return Rebalance
	case stale:
		if expired {
			return Expired
		}
		return TakenOver
	case refused:
		return Forbidden
	case state:
		if expired {
			return Expired
		}
		return State
	}
	return Coordinator
}

// expired reports whether the broker may have ended a transaction by its own time-out.
//
// To a producer that it has timed out a coordinator says the same as to one whose id another
// instance has taken: PRODUCER_FENCED, or INVALID_PRODUCER_EPOCH. Only an open transaction that is
// as old as its time-out can have been timed out; and since it is opened by the first record or
// offsets, which come after Begin, it is never older for the coordinator than for us. So a younger
// one was taken over for certain. An older one may have been both: it counts as timed out, since
// that is mended by a new client; where it was taken over in truth, the new client takes the id
// back, and the other instance, whose transactions are young, is told of it.
func expired(age, timeout time.Duration) bool { return timeout > 0 && age >= timeout }
