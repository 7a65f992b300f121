package transaction

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/internal/commit"
	"github.com/vicuna-go/vicuna/internal/topics"
)

func TestJudge(t *testing.T) {
	for want, errs := range map[verdict][]error{
		again:   {kerr.ConcurrentTransactions, kerr.NotCoordinator, kerr.RequestTimedOut, kerr.UnstableOffsetCommit, errors.New("a connection"), errNoAnswer},
		moved:   {kerr.IllegalGeneration, kerr.FencedInstanceID, kerr.GroupIDNotFound, commit.ErrGone},
		stale:   {kerr.ProducerFenced, kerr.InvalidProducerEpoch},
		state:   {kerr.InvalidTxnState, kerr.TransactionAbortable, kerr.InvalidProducerIDMapping},
		refused: {kerr.TransactionalIDAuthorizationFailed, kerr.GroupAuthorizationFailed, kerr.InvalidTransactionTimeout},
		broken:  {kerr.UnknownServerError, kerr.TransactionCoordinatorFenced},
		gone:    {kgo.ErrClientClosed, context.DeadlineExceeded, context.Canceled},
	} {
		for _, err := range errs {
			require.Equal(t, want, judge(fmt.Errorf("wrapped: %w", err)), "%v", err)
		}
	}
}

// Only a transaction that is as old as its time-out can have been ended by it.
func TestExpired(t *testing.T) {
	require.False(t, expired(9*time.Second, 10*time.Second))
	require.True(t, expired(10*time.Second, 10*time.Second))
	require.False(t, expired(time.Hour, 0), "it is not known")
	require.Equal(t, TakenOver, cause(kerr.ProducerFenced, false))
	require.Equal(t, Expired, cause(kerr.ProducerFenced, true))
	require.Equal(t, Expired, cause(kerr.InvalidTxnState, true))
	require.Equal(t, Rebalance, cause(kerr.IllegalGeneration, true))
}

// What a group's offsets say of a transaction that moves them from 5 to 10.
func TestDecide(t *testing.T) {
	const me, other, users = "me", "other", "the user's"
	left := commit.NewOwner(me)
	left.Leave()
	type offset struct {
		at       int64
		metadata string
	}
	for name, c := range map[string]struct {
		before   int64 // -2: not known
		now      offset
		metadata string // the user's
		owner    *commit.Owner
		want     Ended
	}{
		"at the cut":                           {before: 5, now: offset{10, me}, want: Committed},
		"at the cut, of the first commit":      {before: -2, now: offset{10, me}, want: Committed},
		"where it was":                         {before: 5, now: offset{5, me}, want: Aborted},
		"nothing was ever committed":           {before: -2, now: offset{-1, ""}, want: Aborted},
		"between, by the next owner":           {before: 5, now: offset{7, other}, want: Aborted},
		"at the cut, by the next owner":        {before: 5, now: offset{10, other}, want: Unresolved},
		"beyond":                               {before: 5, now: offset{12, other}, want: Unresolved},
		"set back by somebody":                 {before: 5, now: offset{2, ""}, want: Unresolved},
		"it has moved nothing":                 {before: 10, now: offset{10, me}, want: Unresolved},
		"the user's metadata":                  {before: 5, now: offset{10, users}, metadata: users, want: Committed},
		"the user's metadata, and not ours":    {before: 5, now: offset{10, users}, metadata: users, owner: left, want: Unresolved},
		"left since, and at the cut by us":     {before: 5, now: offset{10, me}, owner: left, want: Committed},
		"left since, and still where it was":   {before: 5, now: offset{5, me}, owner: left, want: Aborted},
		"the answer does not name it at all":   {before: 5, now: offset{-3, ""}, want: Unresolved},
		"a cut that goes back, and it has":     {before: 15, now: offset{10, me}, want: Committed},
		"a cut that goes back, and it has not": {before: 15, now: offset{15, me}, want: Aborted},
	} {
		t.Run(name, func(t *testing.T) {
			p := topics.Partition{Topic: "t"}
			want := staged{offset: 10, metadata: me, marked: true, owner: c.owner}
			if c.metadata != "" {
				want.metadata, want.marked = c.metadata, false
			}
			before, now := map[topics.Partition]int64{}, map[topics.Partition]staged{}
			if c.before > -2 {
				before[p] = c.before
			}
			if c.now.at > -3 {
				now[p] = staged{offset: c.now.at, metadata: c.now.metadata}
			}
			got, reason := decide(map[topics.Partition]staged{p: want}, before, now)
			require.Equal(t, c.want.String(), got.String(), reason)
			require.NotEmpty(t, reason)
			// One that tells is enough; and two that contradict each other tell nothing.
			q := topics.Partition{Topic: "t", Partition: 1}
			now[q], before[q] = staged{offset: 10, metadata: me}, 5
			got, reason = decide(map[topics.Partition]staged{p: want, q: {offset: 10, metadata: me, marked: true}}, before, now)
			switch c.want {
			case Aborted:
				require.Equal(t, Unresolved.String(), got.String(), reason)
			default:
				require.Equal(t, Committed.String(), got.String(), reason)
			}
		})
	}
}

func TestNames(t *testing.T) {
	for e := Committed; e <= Unresolved; e++ {
		require.NotContains(t, e.String(), "(")
	}
	for c := Usable; c <= Refused; c++ {
		require.NotContains(t, c.String(), "(")
	}
	for c := None; c <= Lost; c++ {
		require.NotEmpty(t, c.String())
	}
	require.Contains(t, Ended(9).String()+Client(9).String()+Cause(99).String(), "(99)")
	require.Equal(t, "aborted, client fenced, cause: taken over: x", Outcome{Ended: Aborted, Client: Fenced, Cause: TakenOver, Err: errors.New("x")}.String())
}
