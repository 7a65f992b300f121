package core

import (
	"slices"
	"time"
)

// What can be read of a run while it goes on; children are counted with it.

// Stages reads the counters of all stages, in the order in which elements meet them where that is a
// line.
func (r *Run) Stages() []StageCounts {
	counts, children := r.ownStages(), r.allChildren()
	for _, c := range children {
		counts = append(counts, c.Stages()...)
	}
	return counts
}

// Outstanding reads how many positions were delivered and are not finished, and the age of the
// oldest.
func (r *Run) Outstanding() (n int, oldest time.Duration) {
	r.Ledger.entries.each(func(e *entry) {
		a, ok := e.assignment.(interface {
			Outstanding() int
			Oldest() (offset int64, age time.Duration, ok bool)
		})
		if !ok {
			return
		}
		n += a.Outstanding()
		if _, age, ok := a.Oldest(); ok {
			oldest = max(oldest, age)
		}
	})
	for _, c := range r.allChildren() {
		more, age := c.Outstanding()
		n, oldest = n+more, max(oldest, age)
	}
	return n, oldest
}

// CallOn names a stage whose function is being called for a record, of those with workers; "" where
// none is known.
func (r *Run) CallOn(topic string, partition int32, offset int64) string {
	stages, children := r.allStages(), r.allChildren()
	for _, s := range stages {
		if s.calls != nil && s.calls.has(r.Ledger, topic, partition, offset) {
			return s.Name
		}
	}
	for _, c := range children {
		if name := c.CallOn(topic, partition, offset); name != "" {
			return name
		}
	}
	return ""
}

// Calling lists the stages with workers that have calls running now, by name.
func (r *Run) Calling() []string {
	return r.stagesThat(func(s StageCounts) bool { return s.Calls > 0 })
}

// Holding lists the stages that have elements in front of them, or on their way to a broker, by
// name.
func (r *Run) Holding() []string {
	return r.stagesThat(func(s StageCounts) bool { return s.Buffered > 0 })
}

func (r *Run) stagesThat(are func(StageCounts) bool) []string {
	var names []string
	for _, s := range r.Stages() {
		if are(s) && !slices.Contains(names, s.Name) {
			names = append(names, s.Name)
		}
	}
	slices.Sort(names)
	return names
}

// Busy lists the islands that have been at their current chunk for longer than d, and for how long.
func (r *Run) Busy(d time.Duration) map[string]time.Duration {
	now := r.clock()
	busy := map[string]time.Duration{}
	for _, isl := range r.allIslands() {
		if since := isl.busySince.Load(); since != 0 && time.Duration(now-since) > d {
			busy[isl.describe()] = time.Duration(now - since)
		}
	}
	for _, c := range r.allChildren() {
		for what, took := range c.Busy(d) {
			busy[what] = max(busy[what], took)
		}
	}
	return busy
}

// Dropped counts the elements that were thrown away because they lay after a cut.
func (r *Run) Dropped() int64 { return r.Ledger.thrown.Load() }

// GivenBack counts the positions that were delivered to the stream and given back by a drain or a
// revoke, because no stage with effects had begun them.
func (r *Run) GivenBack() (n int64) {
	r.outcome.mu.Lock()
	n = r.givenBack
	children := r.allChildren() // in one step: one that leaves adds its own
	r.outcome.mu.Unlock()
	for _, c := range children {
		n += c.GivenBack()
	}
	return n
}

// GivenUps are the records that were given up so far, by stage and partition, with those of child
// runs.
func (r *Run) GivenUps() []GivenUp {
	r.outcome.mu.Lock()
	all := slices.Clone(r.givenUps)
	children := r.allChildren()
	r.outcome.mu.Unlock()
	for _, c := range children {
		all = append(all, c.GivenUps()...)
	}
	return all
}
