package transaction

import (
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/vicuna-go/vicuna/internal/fault"
)

// FencedError says that another instance has taken the transactional id. It is final: two instances
// that go on with one id would abort each other's transactions without end.
type FencedError struct {
	// ID is the transactional id.
	ID  string
	Err error
}

func (e *FencedError) Error() string {
	return fmt.Sprintf("vicuna: another instance has taken the transactional id %q: each instance that runs needs one of its own: %v", e.ID, e.Err)
}

func (e *FencedError) Unwrap() error { return e.Err }

// UnusableError says that this client cannot begin another transaction; a new client with the same
// transactional id can.
type UnusableError struct {
	ID    string
	Cause Cause
	Err   error
}

func (e *UnusableError) Error() string {
	return fmt.Sprintf("vicuna: transactional id %q: this client cannot go on (%v): %v", e.ID, e.Cause, e.Err)
}

func (e *UnusableError) Unwrap() error { return e.Err }

// AbortedError says why a transaction was aborted. What it was to do has to be done again.
type AbortedError struct {
	ID    string
	Cause Cause
	Err   error
}

func (e *AbortedError) Error() string {
	return fmt.Sprintf("vicuna: a transaction of %q was aborted (%v): %v", e.ID, e.Cause, e.Err)
}

func (e *AbortedError) Unwrap() error { return e.Err }

// DeferredError says that offsets of an epoch that has produced nothing could not be committed.
type DeferredError struct {
	ID    string
	Cause Cause
	Err   error
}

func (e *DeferredError) Error() string {
	return fmt.Sprintf("vicuna: transactional id %q: the offsets of records that came to nothing could not be committed (%v): %v", e.ID, e.Cause, e.Err)
}

func (e *DeferredError) Unwrap() error { return e.Err }

// UnresolvedError says that a transaction was asked to commit, and that nobody can tell whether it
// did.
type UnresolvedError struct {
	ID string
	// Reason is why it could not be found out.
	Reason string
	// Err is what came instead of the answer.
	Err error
}

func (e *UnresolvedError) Error() string {
	return fmt.Sprintf("vicuna: whether a transaction of %q was committed is not known (%s): %v", e.ID, e.Reason, e.Err)
}

func (e *UnresolvedError) Unwrap() error { return e.Err }

// TimeoutError says that the brokers refuse the transaction time-out.
type TimeoutError struct {
	ID string
	// Timeout is the one that was refused.
	Timeout time.Duration
	Err     error
}

func (e *TimeoutError) Error() string {
	return fmt.Sprintf("vicuna: transactional id %q: the brokers refuse a transaction time-out of %v: choose one that is not above their transaction.max.timeout.ms "+
		"(15 minutes unless they say otherwise), or raise that: %v", e.ID, e.Timeout, e.Err)
}

func (e *TimeoutError) Unwrap() error { return e.Err }

// AuthorizationError says that the brokers do not permit a transaction, and what would be needed.
type AuthorizationError struct {
	ID    string
	Group string
	Err   error
}

func (e *AuthorizationError) Error() string {
	return fmt.Sprintf("vicuna: the brokers do not permit transactions of %q: %s: %v", e.ID, e.needed(), e.Err)
}

// needed is the permission that is missing.
func (e *AuthorizationError) needed() string {
	switch {
	case errors.Is(e.Err, kerr.GroupAuthorizationFailed):
		return fmt.Sprintf("the principal needs the operation Read on the group %q", e.Group)
	case errors.Is(e.Err, kerr.TopicAuthorizationFailed):
		return "the principal needs the operation Read on the topics that are consumed, and Write on those that are produced to"
	case errors.Is(e.Err, kerr.ClusterAuthorizationFailed):
		return "the principal needs the operation IdempotentWrite on the cluster"
	}
	return fmt.Sprintf("the principal needs the operation Write on the transactional id %q", e.ID)
}

func (e *AuthorizationError) Unwrap() error { return e.Err }

// UnsupportedError says that the brokers have no transactions, or refuse the request as such.
type UnsupportedError struct {
	ID  string
	Err error
}

func (e *UnsupportedError) Error() string {
	return fmt.Sprintf("vicuna: transactional id %q: the brokers cannot do this: %v", e.ID, e.Err)
}

func (e *UnsupportedError) Unwrap() error { return e.Err }

var (
	// ErrNotBegun says that a transaction was to be ended that was not begun.
	ErrNotBegun = errors.New("vicuna: no transaction was begun")
	// ErrNotTaken says that the transactional id was not taken: Init comes first.
	ErrNotTaken = errors.New("vicuna: the transactional id was not taken yet")
	// ErrNoTransactionalID says that a client was made without kgo.TransactionalID.
	ErrNoTransactionalID = errors.New("vicuna: the client has no transactional id")
)

// refusal is what is returned for an answer that nothing but another setting or permission changes.
func (t *Transactions) refusal(err error) error {
	switch {
	case errors.Is(err, kerr.InvalidTransactionTimeout):
		return &TimeoutError{ID: t.id, Timeout: t.timeout, Err: err}
	case fault.Any(err, permissions...):
		return &AuthorizationError{ID: t.id, Group: t.group, Err: err}
	}
	return &UnsupportedError{ID: t.id, Err: err}
}
