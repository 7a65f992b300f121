package reader

import (
	"fmt"
	"strings"
	"time"

	"github.com/vicuna-go/vicuna/internal/feed"
	"github.com/vicuna-go/vicuna/internal/topics"
)

// watcher tells of records and sub-streams that do not come to their end.
type watcher struct{ *Session }

// watch tells of records that stay undone: of each partition's first one when it has been undone
// for settings.StuckAfter, and again each time as long has passed.
func (s *watcher) watch(quit <-chan struct{}) {
	after := s.cfg.StuckAfter()
	tick := time.NewTicker(max(after/looksInTime, time.Millisecond))
	defer tick.Stop()
	told := map[topics.Partition]time.Time{}
	for {
		select {
		case <-quit:
			return
		case <-tick.C:
		}
		was := told
		told = map[topics.Partition]time.Time{} // partitions that are gone are left out
		for _, a := range s.assigned() {
			at, ok := was[a.Partition()]
			if !ok || time.Since(at) >= after {
				at, ok = time.Now(), s.warnStuck(a, after)
			}
			if ok {
				told[a.Partition()] = at
			}
		}
		s.watchSubStreams(after)
	}
}

// looksInTime is how often it is looked within settings.StuckAfter: what has just not lasted for as
// long is not told of twice as late.
const looksInTime = 8

// warnStuck tells of a partition's first record that is not done, and reports whether it has: where
// that is so for long enough.
func (s *watcher) warnStuck(a *assignment, after time.Duration) bool {
	if s.warnUnanswered(a, after) {
		return true
	}
	offset, age, ok := a.Oldest()
	if !ok || age < after {
		return false
	}
	p := a.Partition()
	text, stage := s.whereabouts(p, offset, age)
	s.log.Warn("vicuna: record stuck: "+text+"; no later offset of the partition can be committed until it is done",
		"topic", p.Topic, "partition", p.Partition, "offset", offset, "stage", stage,
		"for", age.Round(time.Millisecond), "outstanding", a.Outstanding())
	return true
}

// A record that was handed over, to another graph or to the user, and that nobody has finished
// holds its partition's offset. No run can know why: a filter of the other graph has left it out,
// that graph has failed or is gone, Commit was forgotten. So it is told of by name, while it waits
// and when it is given up.

// warnUnanswered tells of a partition's first record that is not done, and reports whether it has:
// where the record has waited for so long, for nothing but that.
func (s *watcher) warnUnanswered(a *assignment, after time.Duration) bool {
	u, ok := a.Unanswered()
	if !ok || u.Age < after {
		return false
	}
	p, stages, age := a.Partition(), strings.Join(u.Stages, ", "), u.Age.Round(time.Millisecond)
	s.log.Warn(fmt.Sprintf("vicuna: record stuck: %v@%d was handed over by stage %s %v ago, and nobody has finished it: call its Offset.Commit, or end the graph that "+
		"has it in a committing stage; no later offset of the partition can be committed until then", p, u.Offset, stages, age),
		"topic", p.Topic, "partition", p.Partition, "offset", u.Offset, "stage", stages, "unanswered", u.Answers,
		"for", age, "outstanding", a.Outstanding())
	return true
}

// mostNamed is how many partitions are told of by name.
const mostNamed = 10

// warnNotFinished tells of partitions that are given up because of such records.
func (s *watcher) warnNotFinished(ends []feed.End) {
	var names []string
	n := 0
	for _, e := range ends {
		u := e.Unanswered
		if u.Answers == 0 {
			continue
		}
		if n++; n <= mostNamed {
			names = append(names, fmt.Sprintf("%s@%d by %s, %d unanswered, %v ago", e.Partition, u.Offset, strings.Join(u.Stages, ", "), u.Answers,
				u.Age.Round(time.Millisecond)))
		}
	}
	if n > 0 {
		s.log.Warn("vicuna: records were handed over and nobody has finished them in time: they will be delivered again; see docs/committing.md on hand-overs", "partitions", n, "first", names)
	}
}
