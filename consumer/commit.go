package consumer

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/internal/committing"
	"github.com/vicuna-go/vicuna/internal/tracker"
	"github.com/vicuna-go/vicuna/settings"
)

// committer commits the offsets of a run: one commit at a time, which takes with it whatever was
// finished since the last one began. Done, everywhere else, only marks.
//
// What makes it safe:
//
//  1. It commits what the trackers say is finished without a gap, and nothing else.
//  2. Offsets are collected and sent while the one place in turn is held; a revoke takes its own
//     turn behind the closing of the trackers. So when a revoke returns, nothing of its partitions
//     is on its way or can come, and neither brokers nor client look whose partition an offset
//     belongs to: a late one would rewind the new owner.
//  3. A commit that is on its way is not cancelled: the client would give up its connection, and
//     the broker might take it after a later one. A deadline bounds what comes before. At the end
//     of a run, when its time is over, nothing comes later, and it is.
//  4. Offsets never go back within an assignment, except where at most once says so.
type committer struct {
	cfg   settings.ConsumerConfig
	log   *slog.Logger
	marks marker

	cl     *kgo.Client
	ask    *asker
	joins  *joins
	manual bool            // no member: the offsets are committed by an administrator's request
	life   context.Context // of all commits; it ends when the time of the run's end is over
	end    context.CancelFunc
	kill   context.CancelFunc // ends the client's own context

	mu        sync.Mutex
	armed     bool
	interval  time.Duration
	forgotten map[TopicPartition]struct{} // taken away, and perhaps still in done
	ids       topicIDs
	waiting   []chan outcome // of Flush

	batch int64 // so many calls of Commit ask for a commit, 0: none do; set before the run starts
	calls atomic.Int64

	armedC chan struct{} // closed when it is armed
	wake   chan struct{}
	// held by who commits; a channel, since a bubble's clock does not wait for a mutex
	turn chan struct{}
	gone chan struct{} // closed behind the last commit

	done map[TopicPartition]committed // what is committed; whose turn it is
	// offsets of the last commit that were not ours any more; whose turn it is
	strange int
	trouble troubles // commits that are tried again

	commits, failures atomic.Int64
}

// committed is what is known to be committed of a partition.
type committed struct {
	tracker.Mark
	unsure bool // a later commit was refused, or has lost its answer: the group may have that
}

var _ committing.Group = (*committer)(nil)

// marker is the session, as the committer sees it.
type marker interface {
	// committable is what may be committed now.
	committable() []commit
	// beganWith is how many partitions a topic had when the subscription began; false where that is
	// not known.
	beganWith(topic string) (int32, bool)
	// failed ends the run.
	failed(err error)
}

func newCommitter(cfg settings.ConsumerConfig, log *slog.Logger, m marker) *committer {
	return &committer{
		cfg: cfg, log: log, marks: m, done: map[TopicPartition]committed{}, forgotten: map[TopicPartition]struct{}{},
		armedC: make(chan struct{}), wake: make(chan struct{}, 1), turn: make(chan struct{}, 1), gone: make(chan struct{}),
	}
}

// begin gives it the client.
func (c *committer) begin(cl *kgo.Client, kill context.CancelFunc, ask *asker, joins *joins, manual bool) {
	c.mu.Lock()
	c.cl, c.ask, c.joins, c.manual = cl, ask, joins, manual
	c.life, c.end = context.WithCancel(cl.Context())
	c.kill = kill
	c.mu.Unlock()
}

// Arm implements committing.Group: of several committers' intervals the shortest counts. Their
// batches they count themselves.
func (c *committer) Arm(cm settings.Committer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.armed {
		c.armed, c.interval = true, cm.MaxInterval()
		close(c.armedC)
		return
	}
	if every := cm.MaxInterval(); every < c.interval {
		c.interval = every
		c.Wake() // the loop waits for the end of a longer one
	}
}

// armForCalls arms it for commits that come from outside of the graph: no stage counts its batches
// there, but calls of Commit are counted. It is called before the run has started.
func (c *committer) armForCalls(cm settings.Committer) {
	c.Arm(cm)
	c.batch = int64(max(1, cm.MaxBatch()))
}

// called is told of each Commit, on any goroutine.
func (c *committer) called() {
	if c.batch > 0 && c.calls.Add(1)%c.batch == 0 {
		c.Wake()
	}
}

// Ended implements committing.Ender.
func (c *committer) Ended() bool {
	select {
	case <-c.gone:
		return true
	default:
		return false
	}
}

// Wake implements core.CommitGroup.
func (c *committer) Wake() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// Flush implements core.CommitGroup. The loop commits: what waits for a broker's answer cannot be
// given up, waiting for it can.
func (c *committer) Flush(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.CommitTimeout())
	defer cancel()
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		answer := make(chan outcome, 1)
		c.mu.Lock()
		// nil: the run was drained before it began, or its source is still to begin
		idle := !c.armed || c.cl == nil
		if !idle {
			c.waiting = append(c.waiting, answer)
		}
		c.mu.Unlock()
		if idle {
			return nil
		}
		c.Wake()
		var o outcome
		select {
		case o = <-answer:
		case <-c.gone:
			return nil
		case <-ctx.Done():
			return &CommitError{Group: c.cfg.Group(), Err: context.Cause(ctx)}
		}
		if !o.again || o.err != nil {
			return o.err
		}
		select {
		case <-time.After(pause):
		case <-c.gone:
			return nil
		case <-ctx.Done():
			return &CommitError{Group: c.cfg.Group(), Err: context.Cause(ctx)}
		}
	}
}

// outcome is that of a round.
type outcome struct {
	again bool
	err   error
}

// awaited takes those who wait for a round that is about to begin.
func (c *committer) awaited() []chan outcome {
	c.mu.Lock()
	defer c.mu.Unlock()
	waiting := c.waiting
	c.waiting = nil
	return waiting
}

// isArmed reports whether anything is committed at all.
func (c *committer) isArmed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.armed
}

func (c *committer) every() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.interval
}

// loop commits at intervals, and when it is woken.
func (c *committer) loop(quit <-chan struct{}) {
	select {
	case <-quit:
		return
	case <-c.armedC:
	}
	every := c.every()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-quit:
			return
		case <-c.wake:
		case <-tick.C:
		}
		if e := c.every(); e != every {
			every = e
			tick.Reset(e)
		}
		c.turn <- struct{}{}
		waiting := c.awaited()
		again, err := c.round(c.life)
		<-c.turn
		for _, answer := range waiting {
			answer <- outcome{again, err}
		}
		if err != nil {
			c.marks.failed(err)
			return
		}
	}
}

// round commits what is committable; whose turn it is. again: it did not come to that, and another
// try may. A failure is for good.
func (c *committer) round(ctx context.Context) (again bool, err error) {
	if !c.isArmed() {
		return false, nil
	}
	return c.send(ctx, c.marks.committable())
}

// ended commits the last marks of assignments that have ended, which are collected when it is its
// turn.
func (c *committer) ended(ctx context.Context, collect func() []commit) error {
	deadline := time.Now().Add(c.cfg.CommitTimeout())
	c.turn <- struct{}{} // whatever it takes: what is on its way may be of these partitions
	defer func() { <-c.turn }()
	marks := collect()
	if !c.isArmed() {
		return nil
	}
	return c.insist(ctx, marks, deadline)
}

// pass waits until what is on its way has its answer.
func (c *committer) pass() {
	c.turn <- struct{}{}
	<-c.turn
}

// insist commits until it succeeds, fails for good, or the commit time-out is over: then it is
// known that it may not have happened, which doubles records at worst.
func (c *committer) insist(ctx context.Context, marks []commit, deadline time.Time) error {
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		again, err := c.send(c.life, marks)
		if !again || err != nil {
			return err
		}
		if time.Now().Add(pause).After(deadline) {
			break
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
			continue
		case <-ctx.Done():
			timer.Stop()
		case <-c.life.Done():
			timer.Stop()
		}
		break
	}
	for _, m := range marks {
		// what was committed ahead is not delivered: that is no matter of doing it twice
		if m.back {
			return &CommitError{Group: c.cfg.Group(), Topic: m.Topic, Partition: m.Partition, Offset: m.Offset, Err: errNotSetBack}
		}
	}
	c.log.Warn("vicuna: the last offsets of partitions could not be committed: records will be delivered again", "group", c.cfg.Group(), "partitions", len(marks))
	return nil
}

// errNotSetBack is why a partition that is read at most once goes on too far.
var errNotSetBack = errors.New("records were committed ahead and not delivered, and the offset could not be set back in time: from this offset on some are never delivered")

// void is the end of a committer that never had a client.
func (c *committer) void() { close(c.gone) }

// last is ended at the end of the run, for what collect returns when it is its turn. Nothing is
// committed behind it.
func (c *committer) last(ctx context.Context, collect func() []commit) error {
	defer close(c.gone)
	inTime := context.AfterFunc(ctx, c.cut)
	defer inTime()
	select {
	case c.turn <- struct{}{}:
	case <-ctx.Done():
		c.turn <- struct{}{} // who has it waits for the group, or for a broker that does not answer
		defer func() { <-c.turn }()
		collect()
		return &CommitError{Group: c.cfg.Group(), Err: context.Cause(ctx)}
	}
	defer func() { <-c.turn }()
	marks := collect()
	if !c.isArmed() {
		return nil
	}
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		again, err := c.send(ctx, marks)
		if !again || err != nil {
			return err
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return &CommitError{Group: c.cfg.Group(), Err: context.Cause(ctx)}
		}
	}
}

// cut ends the commit that is under way, when the time of the run's end is over. While the client
// sets up a connection to a broker that says nothing, it heeds no context but its own.
func (c *committer) cut() {
	c.end()
	timer := time.NewTimer(time.Second)
	defer timer.Stop()
	select {
	case <-c.gone:
	case <-timer.C:
		c.kill()
	}
}

// forget says that partitions are not ours any more: their next assignment may begin below what is
// committed now.
func (c *committer) forget(ps []TopicPartition) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range ps {
		c.forgotten[p] = struct{}{}
	}
}

// these commits what an assignment handler says.
func (c *committer) these(ctx context.Context, marks []commit) error {
	if c.cfg.Group() == "" {
		return ErrNoGroup
	}
	select {
	case c.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-c.turn }()
	again, err := c.send(ctx, marks)
	if err == nil && c.strange > 0 {
		err = &CommitError{Group: c.cfg.Group(), Err: errGone}
	}
	if err == nil && again {
		err = &CommitError{Group: c.cfg.Group(), Err: errors.New("it could not be made at this time; try again")}
	}
	return err
}

// ahead commits offsets of records that were not delivered yet, which are collected when it is its
// turn, and calls then while it still is. It reports false where nothing was committed.
func (c *committer) ahead(ctx context.Context, collect func() []commit, then func()) (bool, error) {
	select {
	case c.turn <- struct{}{}:
	case <-ctx.Done():
		return false, nil
	}
	defer func() { <-c.turn }()
	marks := collect()
	if len(marks) == 0 {
		return false, nil
	}
	again, err := c.send(ctx, marks)
	if again || err != nil || c.strange > 0 {
		return false, err
	}
	then()
	return true, nil
}
