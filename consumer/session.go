package consumer

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/internal/core"
	"github.com/vicuna-go/vicuna/internal/feed"
	"github.com/vicuna-go/vicuna/internal/kclient"
	"github.com/vicuna-go/vicuna/internal/memory"
	"github.com/vicuna-go/vicuna/internal/tracker"
	"github.com/vicuna-go/vicuna/serde"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// session is one run of a handle: a client, the partitions that are assigned to it, and the
// goroutines between it and the stream.
//
//   - poll (poll.go) fetches and delivers; it never waits for the stream, only for room in the
//     budget;
//   - attend (attend.go) wakes it, and lets partitions be fetched again that have room;
//   - tails (tail.go), in a bounded run, finds out that a log's last offsets hold no record;
//   - commit (commit.go) commits;
//   - leave (completed.go) ends the session where its source has completed and the run goes on;
//   - the client's callbacks (rebalance.go) take partitions away and bring others.
//
// Lock order: session.mu, then the feeds' and the trackers'. Nothing waits while it holds one, and
// no user function is called under one.
type session[K, V, T any] struct {
	c     *Consumer[K, V]
	cfg   settings.ConsumerConfig
	key   serde.Deserializer[K]
	value serde.Deserializer[V]
	shape shape[K, V, T]
	run   *core.Run
	name  string
	log   *slog.Logger
	lane  *lane // of all partitions; nil where each has one of its own
	outer *outer[K, V, T]

	ctx    context.Context // ends with the reading: at a drain, or behind the last island
	finish context.CancelFunc

	cl    *kgo.Client
	kill  context.CancelFunc // ends the client's own context, should it not close
	ask   *asker
	ready chan struct{} // cl is there; or the run has ended without one

	bell   *feed.Bell
	budget *memory.Budget
	commit *committer
	events core.Serial
	ends   bounds
	starts starts
	doubts chan *FetchError
	member membership

	// the session has begun to end: at the end of the run, or before, behind a source that has
	// completed
	ended atomic.Bool
	// closed when a session that has ended before its run has left its group
	left      chan struct{}
	leftWith  error  // what went wrong with that; read behind left
	stopLeave func() // ends the goroutine that waits for that

	handlers chan struct{} // held by who calls a function of the Handler
	// held by a revoke from when it ends assignments until their offsets are committed
	settling chan struct{}
	complete chan struct{} // closed when the source has completed
	toldEnd  chan struct{} // closed when the handler was told that the end begins

	calling  string      // the user's function that a rebalance waits for; under mu
	goBack   atomic.Bool // partitions that were missed are to be read again
	strained atomic.Bool // the budget is full, and those that hold more than their part are held

	pollMu   sync.Mutex
	cancel   context.CancelFunc // of the poll under way
	stopping []func()

	mu    sync.Mutex
	parts map[TopicPartition]*part
	// those that are not fetched, because they have too much in flight
	held   map[TopicPartition]*part
	ending bool // partitions are not given out any more

	outlived  map[*lane]outlived // sub-streams whose partitions are gone; under mu
	troubles  troubles
	began     time.Time
	fetchSize memory.FetchSize
	joins     joins
	// of elements, where they are used again; apart, as elements that are kept keep it
	blocks  *sync.Pool
	fetched atomic.Int64
	dropped atomic.Int64
}

// lane is the way from the poller to an island.
type lane struct {
	feed    *feed.Feed[*kgo.Record]
	isl     *core.Island
	info    *core.StageInfo
	suspect atomic.Bool // some record that went this way is not as it should be

	mu      sync.Mutex
	reasons reason
	ended   bool // its island has: the hurry is the whole run's
}

// reason is why the stream should hurry: nothing more comes until something is finished, and
// holders would wait for more.
type reason uint8

const (
	starved reason = 1 << iota // a partition may have no more in flight
	full                       // nothing is fetched, because the budget is used up
	atEnd                      // everything was read
)

// hurry gives or takes a reason.
func (l *lane) hurry(why reason, on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if on && !l.ended {
		l.reasons |= why
	} else {
		l.reasons &^= why
	}
	l.feed.Hold(l.reasons != 0)
}

// rest takes all reasons, for good.
func (l *lane) rest() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended, l.reasons = true, 0
	l.feed.Hold(false)
}

// part is a partition that is assigned to this session.
type part struct {
	TopicPartition
	lane       *lane // nil: nobody takes its records now
	assignment *feed.Assignment[*kgo.Record]
	revoking   bool
	owner      *ownership

	next      int64 // the offset to be fetched next, -1 where it is not known
	located   bool  // the client knows where to begin
	dropped   bool  // it did not, and was told by us
	committed int64 // what the group had committed when it was assigned, -1 where that was nothing
	// records were fetched, from next on, that nobody took: the client has to go back
	missed bool

	// its last assignment was ended by a revoke or a loss, which knows where it goes on
	endsElsewhere bool

	told bool // that it is about to go; under the session's lock
	// a sub-stream of it was made and has not ended; under the session's lock, as are the next
	// three
	streams     bool
	givenOut    time.Time // when that was
	toldWaiting bool      // that it waits to be run
	// how many sub-streams have ended one after the other without having finished anything
	barren     int
	userPaused bool
	held       bool // not fetched, because it has too much in flight

	// What was committable when its last lane ended; before the first, where it begins, if that was
	// looked up.
	mark   tracker.Mark
	marked bool

	staged      []staged // at most once: fetched, and not committed ahead yet
	stagedBytes int64
	// at most once: it is read again from next on, and nothing of that was delivered
	rewound bool
	metas   metas
}

// newSession makes the session of a run while its graph is built; nil where something is wrong.
func newSession[K, V, T any](b *core.Builder, c *Consumer[K, V], sh shape[K, V, T], name string) *session[K, V, T] {
	s := &session[K, V, T]{
		c: c, key: c.cs.KeySerde(), value: c.cs.ValueSerde(), cfg: c.cs.ConsumerConfig, shape: sh, run: b.Run, name: name, log: c.cs.Logger(),
		blocks: &sync.Pool{}, ready: make(chan struct{}), left: make(chan struct{}), handlers: make(chan struct{}, 1), settling: make(chan struct{}, 1),
		complete: make(chan struct{}), toldEnd: make(chan struct{}), bell: &feed.Bell{}, parts: map[TopicPartition]*part{}, held: map[TopicPartition]*part{},
	}
	s.ctx, s.finish = context.WithCancel(b.Run.SourceContext())
	s.starts.known, s.doubts = make(chan struct{}), make(chan *FetchError, 1)
	ok := true
	fail := func(err error) {
		if err != nil {
			ok = false
			b.Fail(err)
		}
	}
	fail(s.cfg.Err())
	fail(c.sub.check())
	fail(sh.err)
	if sh.commits && c.opts.elsewhere {
		fail(c.opts.committer.Err())
	}
	if s.cfg.Group() == "" && (sh.needsGroup || !c.sub.manual) {
		fail(ErrNoGroup)
	}
	if !ok {
		s.finish()
		return nil
	}
	if !c.claim(s) {
		b.Fail(ErrRunning)
		s.finish()
		return nil
	}
	bytes, records := s.cfg.Budget()
	s.budget = memory.NewBudget(memory.Load{Bytes: int64(bytes), Records: int64(records)}, s.bell.Ring)
	s.commit = newCommitter(s.cfg, s.log, s)
	switch {
	case sh.commits:
		b.Run.AddGroup(s.commit)
		if c.opts.elsewhere {
			s.commit.armForCalls(c.opts.committer)
		}
	case sh.ahead > 0:
		s.commit.Arm(settings.NewCommitter())
	}
	if c.opts.toEnd {
		s.ends.known = make(chan struct{})
	}
	b.Run.OnStart(s.start)
	b.Run.OnLast(s.end)
	return s
}

// newLane makes the feed of an island.
func (s *session[K, V, T]) newLane(isl *core.Island, info *core.StageInfo) *lane {
	l := &lane{isl: isl, info: info}
	queue := 1 << 30 // the budget bounds what waits
	if s.shape.ahead > 0 {
		queue = s.shape.ahead
	}
	l.feed = feed.New[*kgo.Record](isl, feed.Options{
		Limit: s.cfg.TrackLimit(), Queue: queue, Plain: s.shape.plain, Bell: s.bell,
		More: s.more, Once: s.shape.ahead > 0,
	})
	return l
}

// more reports whether there would have been more records, had no drain begun.
func (s *session[K, V, T]) more() bool { return !s.ends.reached() }

// start makes the client, which begins to join the group at once.
func (s *session[K, V, T]) start() {
	if s.run.Draining() { // Concat starts nothing then
		close(s.ready)
		return
	}
	make := kclient.NewConsumerClient
	if s.c.sub.manual {
		make = kclient.NewReaderClient
	}
	cl, err := make(s.cfg, s.clientOptions()...)
	if err != nil {
		close(s.ready)
		s.run.Fail(err)
		return
	}
	s.member.begin()
	s.cl, s.ask = cl, newAsker(cl, s.cfg)
	s.began = time.Now()
	s.log.Info("vicuna: a consumer has started", "source", s.name, "group", s.cfg.Group(), "topics", strings.Join(s.c.sub.names(), " "))
	bytes, records := s.cfg.Budget()
	s.fetchSize.Begin(memory.FetchSizes{
		Total: memory.Load{Bytes: int64(bytes), Records: int64(records)}, PerRecord: memory.RecordBytes + s.shape.size,
		Most: int64(s.cfg.FetchMaxBytes()), MostOfPartition: int64(cl.OptValue(kgo.FetchMaxPartitionBytes).(int32)), Set: cl.UpdateFetchMaxBytes,
	})
	s.commit.begin(cl, s.kill, s.ask, &s.joins, s.c.sub.manual)
	close(s.ready)
	if s.shape.commits {
		s.serve("commit", s.commit.loop)
	}
	s.serve("watch", s.watch)
	if s.shape.ahead > 0 {
		s.serve("commit ahead", s.commitAhead)
	}
	s.serve("begin", s.begin)
	s.serve("look into", s.lookInto)
	s.serve("attend", s.attend)
	s.serve("revoking", s.tellEnding)
	s.serve("poll", s.poll)
	if s.ends.known != nil {
		s.serve("tails", s.watchTails)
	}
	// not among those that the session stops, since it may be the one who ends it
	s.stopLeave = s.run.Serve(s.name+" leave", s.leaveWhenComplete)
}

// serve is for what goes on until behind the last island.
func (s *session[K, V, T]) serve(what string, f func(quit <-chan struct{})) {
	s.stopping = append(s.stopping, s.run.Serve(s.name+" "+what, f))
}

// over reports whether nothing more is to be delivered.
func (s *session[K, V, T]) over() bool {
	return s.ctx.Err() != nil || s.run.Stopped() || s.lane != nil && s.lane.feed.Over()
}

// end is the end of the run.
func (s *session[K, V, T]) end(ctx context.Context) error {
	defer s.c.release(s)
	if s.stopLeave != nil {
		defer s.stopLeave()
	}
	if s.ended.Swap(true) {
		<-s.left // within the limits that every end has
		return s.leftWith
	}
	return s.shut(ctx)
}

// shut ends the session: what is finished is committed, and the group is left. Who calls it has set
// ended.
func (s *session[K, V, T]) shut(ctx context.Context) error {
	s.finish()
	if s.cl == nil {
		s.commit.void()
		return nil
	}
	if s.run.Draining() && !s.run.Stopped() {
		select {
		case <-s.toldEnd: // what it finishes is committed
		case <-ctx.Done():
		}
	}
	if s.lane != nil {
		s.lane.feed.Await(ctx)
	}
	// The time of the run's end may be used up by outcomes that came late; the last commit has a
	// time of its own, and so has leaving: who does not leave keeps the others waiting for his
	// session to end.
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.run.Limits().Close)
	defer cancel()
	var parts map[TopicPartition]*part
	err := s.commit.last(last, func() []commit {
		// In turn: a revoke that comes now does not return before the commit of what is closed here
		// is made.
		s.mu.Lock()
		s.ending = true
		parts = s.parts
		s.parts = map[TopicPartition]*part{}
		s.mu.Unlock()
		var ends []feed.End
		if s.lane != nil {
			// it has waited for that long; a wait for what user code still has would take the
			// commit's own time
			ends = s.lane.feed.Finish(ctx)
			s.warnNotFinished(ends)
		}
		s.savePlaces(parts, ends)
		marks := s.marksOf(parts, ends)
		s.leaveOut(parts, ends)
		return marks
	})
	s.awaitSettled(last)
	closed := make(chan struct{})
	s.run.Serve(s.name+" close", func(<-chan struct{}) {
		defer close(closed)
		for _, stop := range s.stopping {
			stop()
		}
		s.stopped(last, parts)
		if werr := s.events.Wait(last); werr != nil {
			s.log.Warn("vicuna: the function for rebalance events has not returned")
		}
		s.close(ctx)
		s.log.Info("vicuna: a consumer has ended", "source", s.name, "group", s.cfg.Group(), "after", time.Since(s.began).Round(time.Millisecond),
			"fetched", s.fetched.Load(), "given_back", s.run.GivenBack(), "given_up", givenUp(s.run.GivenUps()), "why", s.run.Why())
	})
	if s.lane != nil {
		s.lane.rest() // the run may go on
	}
	limit := s.run.Limits().Close + 2*leaveTimeout
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-closed:
	case <-timer.C: // a function of the user's that the client waits for, and so everybody
		err = errors.Join(err, &stream.StuckError{Stages: []string{s.name + " " + s.handling()}, After: limit})
	}
	return err
}

// awaitSettled lets a revoke commit what it has ended before the group is left, until ctx ends.
// Then its commits have ended, too: nothing is committed after the end of the run.
func (s *session[K, V, T]) awaitSettled(ctx context.Context) {
	select {
	case s.settling <- struct{}{}:
		<-s.settling
		return
	case <-ctx.Done():
	}
	s.commit.end()
	timer := time.NewTimer(time.Second)
	defer timer.Stop()
	select {
	case s.settling <- struct{}{}:
		<-s.settling
	case <-timer.C:
		s.kill()
	}
}

// givenUp counts the records that a run has given up.
func givenUp(all []core.GivenUp) (records int) {
	for _, g := range all {
		records += g.Records
	}
	return records
}

// lanes are the ways there are now; the caller holds the lock.
func (s *session[K, V, T]) lanes() []*lane {
	if s.lane != nil {
		return []*lane{s.lane}
	}
	var ls []*lane
	for _, p := range s.parts {
		if p.lane != nil {
			ls = append(ls, p.lane)
		}
	}
	return ls
}

// assigned copies the partitions that have a lane now.
func (s *session[K, V, T]) assigned() (ps []part) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.parts {
		if p.assignment != nil {
			ps = append(ps, *p)
		}
	}
	return ps
}
