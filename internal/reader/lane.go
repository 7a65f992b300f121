package reader

import (
	"sync"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/internal/core"
	"github.com/vicuna-go/vicuna/internal/feed"
	"github.com/vicuna-go/vicuna/internal/partitions"
	"github.com/vicuna-go/vicuna/internal/tracker"
)

// Lane is the way from the poller to an island.
type Lane = lane

type lane struct {
	// Written by NewLane.
	feed *feed.Feed[*kgo.Record]
	isl  *core.Island
	info *core.StageInfo

	// Suspect: some record that went this way is not as it should be. Its island writes it.
	Suspect atomic.Bool

	mu      sync.Mutex
	reasons partitions.Urgency // under mu
	ended   bool               // its island has: the hurry is the whole run's; under mu
}

var _ partitions.Lane = (*lane)(nil)

// NewLane makes the way to an island, whose intake it is.
func (s *Session) NewLane(isl *core.Island, info *core.StageInfo) *Lane {
	queue := 1 << 30 // the budget bounds what waits
	if s.o.Ahead > 0 {
		queue = s.o.Ahead
	}
	l := &lane{isl: isl, info: info}
	l.feed = feed.New[*kgo.Record](isl, feed.Options{
		Limit: s.cfg.TrackLimit(), Queue: queue, Plain: s.o.Plain, Bell: s.bell,
		More: s.more, Once: s.o.Ahead > 0,
	})
	return l
}

// laneOf is the way of a partition's records; nil where it has none. The caller holds the
// session's lock.
func laneOf(p *part) *lane {
	l, _ := p.Lane().(*lane)
	return l
}

// connect lets the records of a partition go a way, from a mark on; false: it was taken away, or
// the run ends. It is called within decide.
func (s *Session) connect(p *part, l *lane, start tracker.Mark) (bool, error) {
	if !s.parts.Attachable(p) {
		return false, nil
	}
	a, err := l.feed.Assign(p.Partition, start)
	if err != nil {
		return false, err
	}
	p.Flow.assignment = a
	return s.parts.Attach(p, l), nil
}

// Intake is where the island takes its records from.
func (l *lane) Intake() core.Intake[*kgo.Record] { return l.feed.Intake() }

// InHand is the assignment whose records the island has; the island asks, between Next and Taken.
func (l *lane) InHand() *feed.Assignment[*kgo.Record] { return l.feed.InHand() }

// Island is the lane's, and Stage the source's place on it.
func (l *lane) Island() *core.Island { return l.isl }

// Stage is the source's place on the island.
func (l *lane) Stage() *core.StageInfo { return l.info }

// Rewinds implements partitions.Lane.
func (l *lane) Rewinds() bool { return l.feed.NeedsRewind() || l.feed.Rewinding() }

// hurry gives or takes a reason to hurry.
func (l *lane) hurry(why partitions.Urgency, on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if on && !l.ended {
		l.reasons |= why
	} else {
		l.reasons &^= why
	}
	l.feed.Hurry(l.reasons != 0)
}

// rest takes all reasons, for good.
func (l *lane) rest() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended, l.reasons = true, 0
	l.feed.Hurry(false)
}
