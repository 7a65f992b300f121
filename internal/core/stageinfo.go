package core

import "sync/atomic"

// StageInfo names a stage and counts what it does. The counters are the island's own integers,
// published once a chunk.
type StageInfo struct {
	Name string // fixed when it is made

	// Counted by those who run the stage, and read by snapshots; the functions are set when the
	// stage is built.
	in       uint64 // the island's own
	pubIn    atomic.Uint64
	skipped  atomic.Uint64
	retried  atomic.Uint64
	givenUp  atomic.Uint64
	attempts attempts                      // has a lock of its own
	calls    *calls                        // user calls that run now, of stages with workers
	counted  atomic.Pointer[func() uint64] // instead of in, where a boundary counts anyhow
	// elements that wait in front of the stage, where it has a boundary
	buffered  atomic.Pointer[func() int]
	written   atomic.Pointer[func() int64] // records that it has written
	committed atomic.Pointer[func() int64] // offsets that were committed of what it has read
	source    atomic.Bool                  // its elements are the run's own; set while it is built
}

// AddStage registers a stage of the island under a name for errors and snapshots. Chains are built
// from their end: stages are added downstream first.
func (isl *Island) AddStage(name string) *StageInfo {
	s := &StageInfo{Name: name}
	isl.stages = append(isl.stages, s)
	isl.run.addStage(s)
	return s
}

// AddSource is AddStage for a stage that the island's intake belongs to: it counts what is taken
// from there.
func (isl *Island) AddSource(name string) *StageInfo {
	isl.source = isl.AddStage(name)
	isl.source.source.Store(true)
	return isl.source
}

// Skip counts an element that an error policy has skipped.
func (s *StageInfo) Skip() { s.skipped.Add(1) }

// Retry counts a repeated call.
func (s *StageInfo) Retry() { s.retried.Add(1) }

func (s *StageInfo) publish() { s.pubIn.Store(s.in) }

// Buffers says how to read the number of elements that wait in front of the stage.
func (s *StageInfo) Buffers(n func() int) { s.buffered.Store(&n) }

// Counts says how to read the number of elements that have reached the stage, where it has a
// boundary.
func (s *StageInfo) Counts(n func() uint64) { s.counted.Store(&n) }

// Writes says how to read the number of records that the stage has written to a broker.
func (s *StageInfo) Writes(n func() int64) { s.written.Store(&n) }

// Commits says how to read by how many offsets has moved on what is committed of the stage's
// records.
func (s *StageInfo) Commits(n func() int64) { s.committed.Store(&n) }

// Nests says that the source's elements are streams, whose own sources count.
func (s *StageInfo) Nests() { s.source.Store(false) }

// StageCounts is a reading of a stage's counters.
type StageCounts struct {
	Name                 string
	In, Skipped, Retried uint64
	GivenUp              uint64
	Calls                int64
	Buffered             int
	Waiting              int
	LastError            error
	Written, Committed   int64
	// Source says that its elements count as what a run has taken in.
	Source bool
}

func (s *StageInfo) counts() StageCounts {
	c := StageCounts{
		Name: s.Name, Source: s.source.Load(), In: s.pubIn.Load(), Skipped: s.skipped.Load(), Retried: s.retried.Load(), GivenUp: s.givenUp.Load(),
	}
	c.Waiting, c.LastError = s.attempts.waiting()
	if s.calls != nil {
		c.Calls = s.calls.count()
	}
	if n := s.counted.Load(); n != nil {
		c.In = (*n)()
	}
	if n := s.buffered.Load(); n != nil {
		c.Buffered = (*n)()
	}
	if n := s.written.Load(); n != nil {
		c.Written = (*n)()
	}
	if n := s.committed.Load(); n != nil {
		c.Committed = (*n)()
	}
	return c
}
