package commit_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/vicuna-go/vicuna/internal/commit"
	"github.com/vicuna-go/vicuna/internal/fault"
	"github.com/vicuna-go/vicuna/internal/topics"
	"github.com/vicuna-go/vicuna/settings"
)

// both is what is committed in these tests, of both partitions.
func both() []commit.Offset { return []commit.Offset{at(p1, 7), at(p0, 5)} }

// requireReason wants an error of both partitions that trying again may mend, which says why.
func requireReason(t *testing.T, err error, why error, texts ...string) {
	t.Helper()
	var failed *fault.CommitError
	require.ErrorAs(t, err, &failed)
	require.True(t, failed.Retriable)
	require.Equal(t, []topics.Partition{p0, p1}, failed.Partitions)
	require.ErrorContains(t, err, `group "g": the commit of t[0 1] failed`)
	for _, text := range texts {
		require.ErrorContains(t, err, text)
	}
	if why != nil {
		require.ErrorIs(t, err, why)
		require.ErrorContains(t, err, why.Error())
	}
}

// Whoever has waited for a commit for too long is told what the brokers have said, of which
// partitions it is, and which setting was too short.
func TestReasons(t *testing.T) {
	refused := func(int, commit.Offset) error { return kerr.RebalanceInProgress }
	for name, check := range map[string]func(t *testing.T, h *house){
		"a revoke": func(t *testing.T, h *house) {
			h.err = refused
			require.NoError(t, h.Ending(t.Context(), both))
			for _, text := range []string{`partitions="t[0 1]"`, "for=10s", "REBALANCE_IN_PROGRESS", "settings.CommitTimeout"} {
				require.Contains(t, h.log.String(), text)
			}
		},
		"a revoke that cannot set back": func(t *testing.T, h *house) {
			h.err = refused
			err := h.Ending(t.Context(), func() []commit.Offset {
				all := both()
				all[0].Back = true
				return all
			})
			var failed *fault.CommitError
			require.ErrorAs(t, err, &failed)
			require.EqualValues(t, 7, failed.Offset)
			require.ErrorIs(t, err, kerr.RebalanceInProgress)
			require.ErrorContains(t, err, "some are never delivered")
			require.ErrorContains(t, err, "settings.CommitTimeout (10s)")
		},
		"the end, refused": func(t *testing.T, h *house) {
			h.err = refused
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			requireReason(t, h.Last(ctx, "settings.CloseTimeout (5s)", both), kerr.RebalanceInProgress, "settings.CloseTimeout (5s)")
		},
		"the end, no answer": func(t *testing.T, h *house) {
			h.takes = time.Hour
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			requireReason(t, h.Last(ctx, "settings.CloseTimeout (5s)", both), nil, "settings.CloseTimeout (5s): the brokers have not answered")
		},
		"the end, refused and then no answer": func(t *testing.T, h *house) {
			h.err = func(int, commit.Offset) error { h.takes = time.Hour; return kerr.NotCoordinator }
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			requireReason(t, h.Last(ctx, "settings.CloseTimeout (5s)", both), kerr.NotCoordinator, "settings.CloseTimeout (5s)")
		},
		"the end, not its turn": func(t *testing.T, h *house) {
			release, _ := h.Acquire(t.Context())
			time.AfterFunc(6*time.Second, release)
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			err := h.Last(ctx, "settings.CloseTimeout (5s)", both)
			requireReason(t, err, nil, "settings.CloseTimeout (5s)", "the brokers have not answered")
			require.ErrorIs(t, err, context.DeadlineExceeded)
		},
		"a flush, refused": func(t *testing.T, h *house) {
			h.err = refused
			h.finish(both()...)
			defer loop(h)()
			err := h.Flush(t.Context())
			requireReason(t, err, kerr.RebalanceInProgress, "settings.CommitTimeout (10s)")
			require.ErrorIs(t, err, context.DeadlineExceeded)
		},
		"a flush, no answer": func(t *testing.T, h *house) {
			h.takes = time.Minute
			h.finish(both()...)
			defer loop(h)()
			requireReason(t, h.Flush(t.Context()), nil, "settings.CommitTimeout (10s)", "the brokers have not answered")
			pass(time.Minute)
		},
		"a flush whose caller goes": func(t *testing.T, h *house) {
			h.err = refused
			h.finish(both()...)
			defer loop(h)()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			err := h.Flush(ctx)
			requireReason(t, err, kerr.RebalanceInProgress, "before the waiting for it ended")
			require.NotContains(t, err.Error(), "settings.CommitTimeout")
		},
		"a user's function": func(t *testing.T, h *house) {
			h.err = refused
			requireReason(t, h.Now(t.Context(), both()), kerr.RebalanceInProgress, "try again")
		},
		"a user's function, not its turn": func(t *testing.T, h *house) {
			release, _ := h.Acquire(t.Context())
			defer release()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			requireReason(t, h.Now(ctx, both()), context.DeadlineExceeded)
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				h := open(t, 10*time.Second)
				h.Arm(settings.NewCommitter(settings.MaxInterval(time.Hour)))
				check(t, h)
			})
		})
	}
}

// loop runs the door's loop until the function that it returns is called.
func loop(h *house) (stop func()) {
	quit, ended := make(chan struct{}), make(chan struct{})
	go func() { defer close(ended); h.Loop(quit) }()
	return func() { close(quit); <-ended }
}

// What is refused for good says so.
func TestRefusedForGood(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := open(t, time.Second)
		h.Arm(settings.NewCommitter())
		var failed *fault.CommitError
		h.err = func(int, commit.Offset) error { return commit.ErrGone }
		require.ErrorAs(t, h.Now(t.Context(), both()), &failed)
		require.False(t, failed.Retriable)
		require.Equal(t, []topics.Partition{p0, p1}, failed.Partitions)
		h.err = func(int, commit.Offset) error { return kerr.GroupAuthorizationFailed }
		require.ErrorAs(t, h.Now(t.Context(), both()), &failed)
		require.False(t, failed.Retriable)
		require.Equal(t, "t", failed.Topic)
	})
}

// A rebalance that refuses commits for a moment is nothing to tell of; one that does so for as long
// as the commit time-out is.
func TestLongRebalanceIsTold(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := open(t, 10*time.Second)
		h.Arm(settings.NewCommitter(settings.MaxInterval(time.Second)))
		h.err = func(n int, _ commit.Offset) error {
			if n <= 20 {
				return kerr.RebalanceInProgress
			}
			return nil
		}
		h.finish(both()...)
		defer loop(h)()
		pass(9500 * time.Millisecond)
		require.Empty(t, h.log.String())
		pass(3 * time.Second)
		require.Contains(t, h.log.String(), "a commit failed and will be tried again")
		require.Contains(t, h.log.String(), "REBALANCE_IN_PROGRESS")
		pass(time.Minute)
		require.Contains(t, h.log.String(), "commits succeed again")
	})
}

// A turn that is free is had, and the end of the door counts, also by those who have no time left:
// chance has no part in it.
func TestNoTimeLeft(t *testing.T) {
	bubble(t, func(t *testing.T) {
		over, cancel := context.WithCancel(t.Context())
		cancel()
		h := open(t, time.Minute)
		h.Arm(settings.NewCommitter())
		for range 100 {
			release, ok := h.Acquire(over)
			require.True(t, ok)
			release()
		}
		require.NoError(t, h.Last(t.Context(), "", both))
		for range 100 {
			require.NoError(t, h.Flush(over), "it has ended")
		}
	})
}

// A group that has members takes offsets from them alone: to whoever is none that is for good.
func TestPassing(t *testing.T) {
	for _, err := range []error{kerr.UnknownMemberID, kerr.IllegalGeneration, kerr.StaleMemberEpoch, kerr.FencedMemberEpoch, kerr.RebalanceInProgress} {
		require.True(t, (&commit.Member{}).Passing(err), "%v", err)
		require.False(t, (&commit.Admin{}).Passing(err), "%v", err)
	}
	for _, s := range []commit.Store{&commit.Member{}, &commit.Admin{}} {
		require.True(t, s.Passing(kerr.CoordinatorLoadInProgress))
		require.True(t, s.Passing(context.DeadlineExceeded))
		require.False(t, s.Passing(kerr.GroupAuthorizationFailed))
	}
}
