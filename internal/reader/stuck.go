package reader

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/vicuna-go/vicuna/internal/feed"
	"github.com/vicuna-go/vicuna/internal/topics"
)

// watcher tells of records and sub-streams that do not come to their end.
type watcher struct{ *Session }

// watch tells of records that stay undone: of each partition's first one when nothing has been
// finished there for settings.StuckAfter, and again each time as long has passed.
func (s *watcher) watch(quit <-chan struct{}) {
	after := s.cfg.StuckAfter()
	tick := time.NewTicker(max(after/looksInTime, time.Millisecond))
	defer tick.Stop()
	heads := map[topics.Partition]head{}
	moved := map[*lane]time.Time{}
	for {
		select {
		case <-quit:
			return
		case <-tick.C:
		}
		heads = s.lookAt(heads, moved)
		s.warnStuck(heads, moved, after)
		s.watchSubStreams(after)
	}
}

// looksInTime is how often it is looked within settings.StuckAfter: what has just not lasted for as
// long is not told of twice as late.
const looksInTime = 8

// head is a partition's first record that is not done.
type head struct {
	a      *assignment
	lane   *lane
	offset int64     // -1 where all is done
	since  time.Time // it has been the first for so long, or, where it has begun, that
	begun  bool
	told   time.Time // when it was told of last; zero is never
}

// lookAt looks which record is the first of each partition now, and notes in moved which lanes have
// finished something since the last look. Partitions that are gone are left out.
func (s *watcher) lookAt(was map[topics.Partition]head, moved map[*lane]time.Time) map[topics.Partition]head {
	now, heads := time.Now(), map[topics.Partition]head{}
	s.mu.Lock()
	for _, p := range s.parts.All() {
		if a := p.Flow.assignment; a != nil {
			heads[a.Partition()] = head{a: a, lane: laneOf(p), offset: -1}
		}
	}
	s.mu.Unlock()
	for p, h := range heads {
		before, seen := was[p]
		seen = seen && before.a == h.a
		offset, age, ok := h.a.Oldest()
		switch {
		case !ok:
		case seen && before.offset == offset:
			h = before
			if !h.begun && h.a.Begun() {
				h.begun, h.since = true, now
			}
		case !seen || before.offset < 0: // nothing was before it
			h.offset, h.since, h.begun = offset, now.Add(-age), h.a.Begun()
		default:
			h.offset, h.since, h.begun = offset, now, h.a.Begun()
		}
		if seen && before.offset >= 0 && before.offset != h.offset {
			moved[h.lane] = now
		}
		if seen {
			h.told = before.told
		}
		heads[p] = h
	}
	for l, at := range moved {
		if now.Sub(at) > s.cfg.StuckAfter() {
			delete(moved, l)
		}
	}
	return heads
}

// warnStuck tells of the first records that have been so for long enough. A record that a stage is
// calling, or tries again, is told of with that stage. Of others nobody knows why they wait: those
// after such a one in their lane wait for it, unless another chain is at work for as long; and one
// that has not begun still has its time to come, as long as anything in its lane is finished.
func (s *watcher) warnStuck(heads map[topics.Partition]head, moved map[*lane]time.Time, after time.Duration) {
	now := time.Now()
	known := map[*lane][]string{} // the stages
	texts := map[topics.Partition]whereabouts{}
	for p, h := range heads {
		if h.offset < 0 || now.Sub(h.since) < after {
			continue
		}
		w := s.locate(p, h.offset, now.Sub(h.since))
		if w.known {
			known[h.lane] = append(known[h.lane], w.stage)
		}
		texts[p] = w
	}
	for p, h := range heads {
		w, due := texts[p]
		if !h.told.IsZero() && now.Sub(h.told) < after {
			continue
		}
		_, moves := moved[h.lane]
		switch {
		case s.warnUnanswered(h.a, after):
		case !due || !w.known && (s.explained(known[h.lane], after) || moves && !h.begun):
			continue
		default:
			args := []any{
				"topic", p.Topic, "partition", p.Partition, "offset", h.offset, "stage", w.stage,
				"for", now.Sub(h.since).Round(time.Millisecond), "outstanding", h.a.Outstanding(),
			}
			if w.err != nil {
				args = append(args, "attempts", w.failed, "error", w.err)
			}
			s.log.Warn("vicuna: record stuck: "+w.String()+"; no later offset of the partition can be committed until it is done", args...)
		}
		h.told = now
		heads[p] = h
	}
}

// explained reports whether the stages that are known to be at work on records are all that is: no
// other chain has been at one chunk for so long that a record may be stuck in it.
func (s *watcher) explained(stages []string, after time.Duration) bool {
	for chain := range s.run.Busy(after / 2) {
		if !slices.ContainsFunc(stages, func(stage string) bool { return strings.Contains(chain, stage) }) {
			return false
		}
	}
	return len(stages) > 0
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
