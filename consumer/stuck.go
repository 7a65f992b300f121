package consumer

import (
	"time"
)

// watch tells of records that stay undone: of each partition's first one when it has been undone
// for settings.StuckAfter, and again each time as long has passed.
func (s *session[K, V, T]) watch(quit <-chan struct{}) {
	after := s.cfg.StuckAfter()
	tick := time.NewTicker(max(after/looksInTime, time.Millisecond))
	defer tick.Stop()
	told := map[TopicPartition]time.Time{}
	for {
		select {
		case <-quit:
			return
		case <-tick.C:
		}
		was := told
		told = map[TopicPartition]time.Time{} // partitions that are gone are left out
		for _, p := range s.assigned() {
			at, ok := was[p.TopicPartition]
			if !ok || time.Since(at) >= after {
				at, ok = time.Now(), s.warnStuck(p, after)
			}
			if ok {
				told[p.TopicPartition] = at
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
func (s *session[K, V, T]) warnStuck(p part, after time.Duration) bool {
	if s.warnUnanswered(p, after) {
		return true
	}
	offset, age, ok := p.assignment.Oldest()
	if !ok || age < after {
		return false
	}
	s.log.Warn("vicuna: a record stays undone, and nothing behind it can be committed: "+s.whereabouts(p.TopicPartition, offset, age),
		"partition", p.String(), "offset", offset, "stage", s.stageOf(p.TopicPartition, offset, after/2),
		"for", age.Round(time.Millisecond), "outstanding", p.assignment.Outstanding())
	return true
}
