package commit

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vicuna-go/vicuna/internal/committing"
	"github.com/vicuna-go/vicuna/internal/outage"
	"github.com/vicuna-go/vicuna/internal/topics"
	"github.com/vicuna-go/vicuna/internal/tracker"
	"github.com/vicuna-go/vicuna/settings"
)

// Door commits the offsets of a run: one commit at a time, which takes with it whatever was
// finished since the last one began. Whoever finishes elements only marks them. Its methods may be
// called from any goroutine.
type Door struct {
	o Options // written by NewDoor

	// Written by Begin, before anybody takes a turn.
	store  Store
	life   context.Context    // of all commits; it ends when the time of the run's end is over
	end    context.CancelFunc // ends life
	kill   context.CancelFunc // ends the client's own context
	beganC chan struct{}      // closed by Begin

	mu        sync.Mutex // guards the next seven
	armed     bool
	interval  time.Duration
	forgotten map[topics.Partition]struct{} // taken away, and perhaps still in done
	waiting   []chan Made                   // of Flush
	onTheWay  []topics.Partition            // those of the commit that has no answer yet
	// trouble is what has kept the last commit from succeeding, nil where nothing has; and since
	// when there is any.
	trouble      error
	troubleSince time.Time

	// so many calls of Commit ask for a commit, 0: none do; set before the run starts
	batch int64
	calls atomic.Int64 // of Commit; whoever calls it adds

	armedC chan struct{} // closed when it is armed, under mu
	// a place of one: the loop is to look; filled by anybody, emptied by the loop
	wake chan struct{}
	// turn is held by whoever commits; a channel, since a bubble's clock does not wait for a mutex.
	turn chan struct{}
	gone chan struct{} // closed when Last has returned: from then on nobody flushes

	done    map[topics.Partition]lastCommit // what is committed; whoever has the turn
	outages outage.Outages                  // commits that are tried again

	commits, failures atomic.Int64 // written by whoever has the turn
	moved             atomic.Int64 // offsets; likewise
}

// Options are what a [Door] is made with.
type Options struct {
	// Group is named in errors and log lines.
	Group string
	// Timeout bounds how long a commit is tried at a revoke, and how long Flush waits.
	Timeout time.Duration
	Log     *slog.Logger
	// Committable is what may be committed now. It is called in the loop's turn.
	Committable func() []Offset
	// Fail ends the run.
	Fail func(err error)
}

// lastCommit is what is known to be committed of a partition.
type lastCommit struct {
	tracker.Mark
	unsure bool // a later commit was refused, or has lost its answer: the group may have that
}

var _ committing.Group = (*Door)(nil)

// NewDoor makes the door of a run.
func NewDoor(o Options) *Door {
	return &Door{
		o: o, done: map[topics.Partition]lastCommit{}, forgotten: map[topics.Partition]struct{}{},
		beganC: make(chan struct{}), armedC: make(chan struct{}), wake: make(chan struct{}, 1),
		turn: make(chan struct{}, 1), gone: make(chan struct{}),
	}
}

// Begin says where offsets are kept. ctx is the client's own, and kill ends it.
func (d *Door) Begin(ctx context.Context, kill context.CancelFunc, store Store) {
	d.store, d.kill = store, kill
	d.life, d.end = context.WithCancel(ctx)
	close(d.beganC)
}

// hasBegun reports whether there is a store.
func (d *Door) hasBegun() bool {
	select {
	case <-d.beganC:
		return true
	default:
		return false
	}
}

// Arm implements committing.Group: of several committing stages' intervals the shortest counts.
// Their batches they count themselves.
func (d *Door) Arm(cm settings.Committer) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.armed {
		d.armed, d.interval = true, cm.MaxInterval()
		close(d.armedC)
		return
	}
	if every := cm.MaxInterval(); every < d.interval {
		d.interval = every
		d.Wake() // the loop waits for the end of a longer one
	}
}

// ArmForCalls arms it for commits that come from outside of the graph: no stage counts its batches
// there, but calls of Commit are counted. It is called before the run has started.
func (d *Door) ArmForCalls(cm settings.Committer) {
	d.Arm(cm)
	d.batch = int64(max(1, cm.MaxBatch()))
}

// Armed reports whether anything is committed at all.
func (d *Door) Armed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.armed
}

// Called is told of each Commit.
func (d *Door) Called() {
	if d.batch > 0 && d.calls.Add(1)%d.batch == 0 {
		d.Wake()
	}
}

// Ended implements committing.Ender.
func (d *Door) Ended() bool {
	select {
	case <-d.gone:
		return true
	default:
		return false
	}
}

// Void is the end of a door that was never opened: there was no client.
func (d *Door) Void() { close(d.gone) }

// Forget says that partitions are not ours any more: their next assignment may begin below what is
// committed now.
func (d *Door) Forget(ps []topics.Partition) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, p := range ps {
		d.forgotten[p] = struct{}{}
	}
}

// Moved is by how many offsets what is committed has moved on, over all partitions.
func (d *Door) Moved() int64 { return d.moved.Load() }

// Counts are how many requests were made, and how many of them failed; those that are tried again
// count as failed.
func (d *Door) Counts() (commits, failures int64) { return d.commits.Load(), d.failures.Load() }
