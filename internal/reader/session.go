package reader

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/internal/commit"
	"github.com/vicuna-go/vicuna/internal/core"
	"github.com/vicuna-go/vicuna/internal/fault"
	"github.com/vicuna-go/vicuna/internal/feed"
	"github.com/vicuna-go/vicuna/internal/kclient"
	"github.com/vicuna-go/vicuna/internal/lookup"
	"github.com/vicuna-go/vicuna/internal/membership"
	"github.com/vicuna-go/vicuna/internal/memory"
	"github.com/vicuna-go/vicuna/internal/outage"
	"github.com/vicuna-go/vicuna/internal/partitions"
	"github.com/vicuna-go/vicuna/settings"
)

// Session is one run of a handle: what its rooms have in common, which embed it, and the rooms.
// Each has a file or two, and what is its own business; see the package's comment.
type Session struct {
	// The rooms; written by New.
	starter    *starter
	poller     *poller
	rebalancer *rebalancer
	substreams *substreams
	offsets    *offsets
	ahead      *ahead
	tails      *tails
	callers    *callers
	watcher    *watcher
	faults     *faults
	ender      *ender

	// Written while the graph is built.
	o       Options
	cfg     settings.ConsumerConfig
	run     *core.Run
	name    string
	log     *slog.Logger
	lane    *lane    // of all partitions; nil where each has one of its own
	handout *Handout // of sub-streams; nil where there is one lane

	// Written by New. ctx ends with the reading: at a drain, or after the last island.
	ctx    context.Context
	finish context.CancelFunc

	// Written by start, before ready is closed.
	cl     *kgo.Client
	kill   context.CancelFunc // ends the client's own context, should it not close
	ask    *lookup.Questions
	member *commit.Member // nil where the client is none
	began  time.Time
	ready  chan struct{} // closed when cl is there, or the run has ended without one

	// Written by New; each has a lock of its own, or is a channel.
	bell      *feed.Bell
	budget    *memory.Budget
	fetchSize memory.FetchSize
	door      *commit.Door
	// the client's membership, and what is told once
	joins       membership.Joins
	coordinator membership.Coordinator
	standing    membership.Standing
	outages     outage.Outages

	bounded   chan struct{} // closed when the ends of a bounded run are known
	boundOnce sync.Once     // closes bounded
	done      atomic.Bool   // everything was read up to there, and finished; written by decide

	// revokes is held by a revoke from when it ends assignments until their offsets are committed.
	revokes chan struct{}

	// goBack: partitions that were missed are to be read again. A callback sets it, and the poller
	// clears it.
	goBack atomic.Bool

	stopping []func() // written by start

	mu    sync.Mutex // guards parts, all flows, and what the rooms below say that it does
	parts *partitions.Table[*flow]

	fetched atomic.Int64 // records; the poller adds
	dropped atomic.Int64 // records; whoever takes partitions away adds
}

// New makes the session of a run while its graph is built; nil where something is wrong.
func New(b *core.Builder, o Options, problems ...error) *Session {
	s := &Session{
		o: o, cfg: o.Settings, run: b.Run, name: o.Name, log: o.Log,
		ready: make(chan struct{}), revokes: make(chan struct{}, 1), bounded: make(chan struct{}), bell: &feed.Bell{},
	}
	s.furnish()
	s.ctx, s.finish = context.WithCancel(b.Run.SourceContext())
	if s.cfg.Group() == "" && (o.NeedsGroup || !o.Subscription.Manual) {
		problems = append(problems, fault.ErrNoGroup)
	}
	if err := errors.Join(problems...); err != nil {
		for _, p := range problems {
			if p != nil {
				b.Fail(p)
			}
		}
		s.finish()
		return nil
	}
	if !o.Claim(s) {
		b.Fail(fault.ErrRunning)
		s.finish()
		return nil
	}
	bytes, records := s.cfg.Budget()
	s.budget = memory.NewBudget(memory.Load{Bytes: int64(bytes), Records: int64(records)}, s.bell.Ring)
	s.parts = partitions.New[*flow](partitions.Options{Share: s.budget.Share, Patience: patience})
	s.door = commit.NewDoor(commit.Options{
		Group: s.cfg.Group(), Timeout: s.cfg.CommitTimeout(), Log: s.log, Committable: s.offsets.committable, Fail: s.run.Fail,
	})
	switch {
	case o.Commits:
		b.Run.AddGroup(s.door)
		if o.Elsewhere != nil {
			s.door.ArmForCalls(*o.Elsewhere)
		}
	case o.Ahead > 0:
		s.door.Arm(settings.NewCommitter())
	}
	b.Run.OnStart(s.start)
	b.Run.OnLast(s.ender.end)
	return s
}

// furnish makes the rooms.
func (s *Session) furnish() {
	s.starter = &starter{Session: s, starts: starts{known: make(chan struct{})}}
	s.poller = &poller{Session: s}
	s.rebalancer = &rebalancer{s}
	s.substreams = &substreams{Session: s, outlived: map[*lane]*outlived{}, paced: map[*part]time.Time{}}
	s.offsets = &offsets{s}
	s.ahead = &ahead{s}
	s.tails = &tails{s}
	s.callers = &callers{Session: s, handlers: make(chan struct{}, 1), toldEnd: make(chan struct{})}
	s.watcher = &watcher{s}
	s.faults = &faults{Session: s, doubts: make(chan *fault.FetchError, 1)}
	s.ender = &ender{Session: s, left: make(chan struct{}), complete: make(chan struct{})}
}

// Single says that all partitions go one way.
func (s *Session) Single(l *Lane) { s.lane = l }

// CountOn tells a stage of the graph what the run has committed.
func (s *Session) CountOn(info *core.StageInfo) { info.Commits(s.door.Moved) }

// Door is where offsets are committed.
func (s *Session) Door() *commit.Door { return s.door }

// more reports whether there would have been more records, had no drain begun.
func (s *Session) more() bool { return !s.done.Load() }

// start makes the client, which begins to join the group at once.
func (s *Session) start() {
	if s.run.Draining() { // Concat starts nothing then
		close(s.ready)
		return
	}
	newClient := kclient.NewConsumerClient
	if s.o.Subscription.Manual {
		newClient = kclient.NewReaderClient
	}
	cl, err := newClient(s.cfg, s.rebalancer.clientOptions()...)
	if err != nil {
		close(s.ready)
		s.run.Fail(err)
		return
	}
	s.standing.Begin()
	s.cl, s.ask = cl, lookup.New(cl, s.cfg)
	s.began = time.Now()
	s.log.Info("vicuna: a consumer has started", "source", s.name, "group", s.cfg.Group(), "topics", strings.Join(s.o.Subscription.Names(), " "))
	bytes, records := s.cfg.Budget()
	s.fetchSize.Begin(memory.FetchSizes{
		Total: memory.Load{Bytes: int64(bytes), Records: int64(records)}, PerRecord: memory.RecordBytes + s.o.ElementBytes,
		Most: int64(s.cfg.FetchMaxBytes()), MostOfPartition: int64(cl.OptValue(kgo.FetchMaxPartitionBytes).(int32)), Set: cl.UpdateFetchMaxBytes,
	})
	s.door.Begin(cl.Context(), s.kill, s.store())
	close(s.ready)
	s.serveAll()
}

// store is where the run's offsets are kept.
func (s *Session) store() commit.Store {
	if s.o.Subscription.Manual {
		return &commit.Admin{Client: s.ask.Admin(), Group: s.cfg.Group()}
	}
	s.member = commit.NewMember(s.cl, &s.joins, s.cfg.Group(), s.cfg.InstanceID(), s.starter.label)
	return s.member
}

// serveAll starts the goroutines of the session.
func (s *Session) serveAll() {
	if s.o.Commits {
		s.serve("commit", s.door.Loop)
	}
	s.serve("watch", s.watcher.watch)
	if !s.o.Subscription.Manual {
		s.serve("watch joins", s.rebalancer.watchJoins)
	}
	if s.o.Ahead > 0 {
		s.serve("commit ahead", s.ahead.commitAhead)
	}
	s.serve("begin", s.starter.begin)
	s.serve("look into", s.faults.lookInto)
	s.serve("attend", s.attend)
	s.serve("revoking", s.callers.tellEnding)
	s.serve("poll", s.poller.poll)
	if s.o.ToEnd {
		s.serve("tails", s.tails.watchTails)
	}
	// not among those that the session stops, since it may be the one that ends it
	s.ender.stopLeave = s.run.Serve(s.name+" leave", s.ender.leaveWhenComplete)
}

// serve is for what goes on until after the last island.
func (s *Session) serve(what string, f func(quit <-chan struct{})) {
	s.stopping = append(s.stopping, s.run.Serve(s.name+" "+what, f))
}

// over reports whether nothing more is to be delivered.
func (s *Session) over() bool {
	return s.ctx.Err() != nil || s.run.Stopped() || s.lane != nil && s.lane.feed.Over()
}

// assigned lists the assignments that there are now.
func (s *Session) assigned() (as []*assignment) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.parts.All() {
		if p.Flow.assignment != nil {
			as = append(as, p.Flow.assignment)
		}
	}
	return as
}
