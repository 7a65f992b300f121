package commit_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/vicuna-go/vicuna/internal/commit"
	"github.com/vicuna-go/vicuna/internal/fault"
	"github.com/vicuna-go/vicuna/internal/testlog"
	"github.com/vicuna-go/vicuna/internal/topics"
	"github.com/vicuna-go/vicuna/internal/tracker"
	"github.com/vicuna-go/vicuna/settings"
)

var (
	p0 = topics.Partition{Topic: "t"}
	p1 = topics.Partition{Topic: "t", Partition: 1}
)

func at(p topics.Partition, offset int64) commit.Offset {
	return commit.Offset{Partition: p, Mark: tracker.Mark{Offset: offset, Epoch: -1}}
}

// store is a place of offsets that does as it is told.
type store struct {
	made     [][]commit.Offset
	takes    time.Duration
	err      func(n int, o commit.Offset) error // of the n-th commit
	onTheWay int
	most     int // at the same time
}

func (s *store) Passing(err error) bool {
	return !errors.Is(err, kerr.GroupAuthorizationFailed)
}

func (s *store) Commit(_, life context.Context, offsets []commit.Offset) []error {
	s.onTheWay++
	s.most = max(s.most, s.onTheWay)
	defer func() { s.onTheWay-- }()
	if s.takes > 0 {
		select {
		case <-time.After(s.takes):
		case <-life.Done():
			errs := make([]error, len(offsets))
			for i := range errs {
				errs[i] = context.Cause(life)
			}
			return errs
		}
	}
	s.made = append(s.made, offsets)
	errs := make([]error, len(offsets))
	for i, o := range offsets {
		if s.err != nil {
			errs[i] = s.err(len(s.made), o)
		}
	}
	return errs
}

// house is a door with what is around it.
type house struct {
	*commit.Door
	store
	mu          sync.Mutex      // time that passes orders nothing for the race detector
	committable []commit.Offset // under mu
	failed      error
	log         testlog.Log
	killed      bool
}

func open(t *testing.T, timeout time.Duration) *house {
	h := &house{}
	h.Door = commit.NewDoor(commit.Options{
		Group: "g", Timeout: timeout, Log: h.log.Logger(),
		Committable: h.finished,
		Fail:        func(err error) { h.failed = err },
	})
	h.Begin(t.Context(), func() { h.killed = true }, &h.store)
	return h
}

func (h *house) finished() []commit.Offset {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.committable
}

// finish says what is committable from now on.
func (h *house) finish(offsets ...commit.Offset) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.committable = offsets
}

func bubble(t *testing.T, f func(t *testing.T)) { synctest.Test(t, f) }

// The loop commits what is finished at its interval and when it is woken, what is new alone, and
// never back.
func TestLoop(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := open(t, time.Minute)
		quit, ended := make(chan struct{}), make(chan struct{})
		go func() { defer close(ended); h.Loop(quit) }()
		h.finish(at(p0, 5), at(p1, 7))
		pass(time.Hour)
		require.Empty(t, h.made, "nobody has armed it")
		h.Arm(settings.NewCommitter(settings.MaxInterval(10 * time.Second)))
		pass(10 * time.Second)
		synctest.Wait()
		require.Equal(t, [][]commit.Offset{{at(p0, 5), at(p1, 7)}}, h.made)
		h.finish(at(p0, 5), at(p1, 9))
		h.Wake()
		synctest.Wait()
		require.Equal(t, []commit.Offset{at(p1, 9)}, h.made[1], "what is new")
		h.finish(at(p0, 4))
		h.Wake()
		synctest.Wait()
		require.Len(t, h.made, 2, "never back")
		h.Forget([]topics.Partition{p0})
		h.Wake()
		synctest.Wait()
		require.Equal(t, []commit.Offset{at(p0, 4)}, h.made[2], "another assignment begins where it begins")
		h.Arm(settings.NewCommitter(settings.MaxInterval(time.Second)))
		synctest.Wait()
		h.finish(at(p0, 6))
		pass(1100 * time.Millisecond)
		require.Len(t, h.made, 4, "the shortest interval counts")
		close(quit)
		<-ended
	})
}

// An offset whose commit was refused, or has lost its answer, is committed again though the last
// one that is known is the same.
func TestUnsure(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := open(t, time.Minute)
		h.Arm(settings.NewCommitter())
		h.err = func(n int, _ commit.Offset) error {
			if n == 2 {
				return kerr.RequestTimedOut
			}
			return nil
		}
		take := func(o commit.Offset) commit.Made {
			m, err := h.Take(commit.Round{Collect: func() []commit.Offset { return []commit.Offset{o} }, Within: t.Context()})
			require.NoError(t, err)
			return m
		}
		require.False(t, take(at(p0, 5)).Again())
		require.True(t, take(at(p0, 8)).Again())
		back := at(p0, 5)
		back.Back = true
		require.False(t, take(back).Again())
		require.Len(t, h.made, 3, "the group may have 8")
		require.Contains(t, h.log.String(), "a commit failed and will be tried again")
		require.Contains(t, h.log.String(), "commits succeed again")
		commits, failures := h.Counts()
		require.EqualValues(t, 3, commits)
		require.EqualValues(t, 1, failures)
	})
}

// One commit at a time, whoever asks; a turn that is held keeps all others out.
func TestOneTurnAtATime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := open(t, time.Minute)
		h.Arm(settings.NewCommitter())
		h.takes = time.Second
		for i := range 10 {
			go func() {
				_, err := h.Take(commit.Round{Collect: func() []commit.Offset { return []commit.Offset{at(p0, int64(i+1))} }, Within: t.Context()})
				require.NoError(t, err)
			}()
		}
		go func() { require.NoError(t, h.Now(t.Context(), []commit.Offset{{Partition: p1, Back: true}})) }()
		pass(time.Minute)
		require.Equal(t, 1, h.most)
		release, ok := h.Acquire(t.Context())
		require.True(t, ok)
		late, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, ok = h.Acquire(late)
		require.False(t, ok)
		made := len(h.made)
		require.ErrorIs(t, h.Now(late, nil), context.DeadlineExceeded)
		require.Len(t, h.made, made)
		release()
		h.Pass()
	})
}

// What a revoke commits is collected in its turn, and tried until the time is over; what cannot be
// set back is an error, all else is told.
func TestEnding(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := open(t, 3*time.Second)
		h.Arm(settings.NewCommitter())
		h.err = func(n int, _ commit.Offset) error {
			if n < 4 {
				return kerr.RebalanceInProgress
			}
			return nil
		}
		require.NoError(t, h.Ending(t.Context(), func() []commit.Offset { return []commit.Offset{at(p0, 5)} }))
		require.Len(t, h.made, 4)
		require.Empty(t, h.log.String())
		h.err = func(int, commit.Offset) error { return kerr.RebalanceInProgress }
		begin := time.Now()
		require.NoError(t, h.Ending(t.Context(), func() []commit.Offset { return []commit.Offset{at(p0, 6)} }))
		require.LessOrEqual(t, time.Since(begin), 3*time.Second)
		require.Contains(t, h.log.String(), "records will be delivered again")
		back := at(p0, 6)
		back.Back = true
		err := h.Ending(t.Context(), func() []commit.Offset { return []commit.Offset{back} })
		var failed *fault.CommitError
		require.ErrorAs(t, err, &failed)
		require.EqualValues(t, 6, failed.Offset)
		h.err = func(int, commit.Offset) error { return kerr.GroupAuthorizationFailed }
		require.ErrorIs(t, h.Ending(t.Context(), func() []commit.Offset { return []commit.Offset{at(p0, 7)} }), kerr.GroupAuthorizationFailed)
	})
}

// The last commit ends when its time is over, whatever the brokers say, and nothing follows it.
func TestLast(t *testing.T) {
	for name, prepare := range map[string]func(h *house){
		"no answer":            func(h *house) { h.takes = time.Hour },
		"the turn is not free": func(h *house) { h.takes = time.Hour; h.Wake() },
		"refused for now":      func(h *house) { h.err = func(int, commit.Offset) error { return kerr.RebalanceInProgress } },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				h := open(t, time.Minute)
				h.Arm(settings.NewCommitter(settings.MaxInterval(time.Hour)))
				h.finish(at(p1, 1))
				quit, ended := make(chan struct{}), make(chan struct{})
				go func() { defer close(ended); h.Loop(quit) }()
				prepare(h)
				synctest.Wait()
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				begin, collected := time.Now(), false
				err := h.Last(ctx, "settings.CloseTimeout (5s)", func() []commit.Offset { collected = true; return []commit.Offset{at(p0, 5)} })
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.True(t, collected)
				require.LessOrEqual(t, time.Since(begin), 6*time.Second)
				require.True(t, h.Ended())
				require.NoError(t, h.Flush(t.Context()), "nothing is waited for any more")
				close(quit)
				<-ended
			})
		})
	}
}

// At most once: what is delivered was committed, in the same turn; what was not committed, or is
// not ours any more, is not delivered.
func TestAhead(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := open(t, time.Minute)
		given := 0
		ahead := func(offset int64) (bool, error) {
			return h.Ahead(t.Context(), func() []commit.Offset { return []commit.Offset{at(p0, offset)} }, func() { given++ })
		}
		ok, err := ahead(5)
		require.NoError(t, err)
		require.True(t, ok)
		for _, e := range []error{kerr.RebalanceInProgress, commit.ErrGone} {
			h.err = func(int, commit.Offset) error { return e }
			ok, err = ahead(9)
			require.NoError(t, err)
			require.False(t, ok)
		}
		h.err = func(int, commit.Offset) error { return kerr.GroupAuthorizationFailed }
		_, err = ahead(9)
		require.ErrorIs(t, err, kerr.GroupAuthorizationFailed)
		require.Equal(t, 1, given)
		ok, err = h.Ahead(t.Context(), func() []commit.Offset { return nil }, func() { given++ })
		require.NoError(t, err)
		require.False(t, ok)
		require.Equal(t, 1, given, "nothing was committed")
	})
}

// Who may commit is asked again when the request is made.
func TestOwner(t *testing.T) {
	o := commit.NewOwner("a")
	require.True(t, o.By("a"))
	require.False(t, o.By("b"))
	require.True(t, o.By(""), "the client has no id now: the broker knows")
	require.Equal(t, "a", o.Member())
	o.Leave()
	require.False(t, o.By("a"))
	var nobody *commit.Owner
	require.True(t, nobody.By("x"))
	require.True(t, commit.NewOwner("").By("x"))
}

// Flush waits for the loop's answer, and gives up the waiting and not the commit.
func TestFlush(t *testing.T) {
	bubble(t, func(t *testing.T) {
		h := open(t, 10*time.Second)
		require.NoError(t, h.Flush(t.Context()), "nobody commits")
		h.Arm(settings.NewCommitter(settings.MaxInterval(time.Hour)))
		quit, ended := make(chan struct{}), make(chan struct{})
		go func() { defer close(ended); h.Loop(quit) }()
		h.finish(at(p0, 5))
		h.takes = time.Second
		require.NoError(t, h.Flush(t.Context()))
		require.Len(t, h.made, 1)
		h.finish(at(p0, 9))
		h.takes = time.Minute
		var late *fault.CommitError
		require.ErrorAs(t, h.Flush(t.Context()), &late)
		pass(time.Minute)
		require.Len(t, h.made, 2, "the commit goes on")
		h.finish(at(p0, 11))
		h.takes = 0
		h.err = func(int, commit.Offset) error { return kerr.GroupAuthorizationFailed }
		require.ErrorIs(t, h.Flush(t.Context()), kerr.GroupAuthorizationFailed)
		<-ended
		require.ErrorIs(t, h.failed, kerr.GroupAuthorizationFailed)
		close(quit)
	})
}

// pass lets time pass, and everybody do what is then to be done.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}
