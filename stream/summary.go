package stream

import (
	"fmt"
	"time"
)

// Summary is what a run has done: for the last log line of a job, or the report of a batch.
type Summary struct {
	// Took is how long the run has lasted up to now, or up to its end.
	Took time.Duration
	// In is how many elements its sources have given. A source of streams, whose elements [Each]
	// runs, gives what these do.
	In uint64
	// Written is how many records were written by its stages, and acknowledged by the brokers.
	Written int64
	// Committed is by how many offsets the committed offsets of its consumers have moved on. Where
	// every offset has a record that is how many records were finished and committed; markers of
	// transactions, and what was compacted away between two records, count as well.
	Committed int64
	// GivenBack is how many records were given back at a drain or a revoke, unbegun, and GivenUp
	// how many had begun and were given up.
	GivenBack, GivenUp int64
	// Stages are those of the graph and of all runs inside it, sources first; what stages of one
	// name have done is added up.
	Stages []StageSummary
}

// StageSummary is a stage in a [Summary].
type StageSummary struct {
	// Name is the operator's, or what Named gave.
	Name string
	// In is how many elements have reached it.
	In uint64
	// Written, of a stage that produces, is how many records were acknowledged.
	Written int64
	// Committed, of a consumer's source, is by how many offsets its committed offsets have moved
	// on.
	Committed int64
	// Skipped and Retried count what its error policy has done, and RetriesGivenUp elements whose
	// retries were ended by a drain or a revoke. Where those are records they are part of the
	// summary's GivenUp.
	Skipped, Retried, RetriesGivenUp uint64
}

// Summary adds up what the run has done. It may be called while it runs, when it may lag as a
// [Control.Snapshot] does, and after its end. Any goroutine.
func (c *Control) Summary() Summary {
	s := Summary{Took: c.r.Took(), GivenBack: c.r.GivenBack()}
	for _, g := range c.r.GivenUps() {
		s.GivenUp += int64(g.Records)
	}
	for _, st := range c.r.Summary() {
		if st.Source {
			s.In += st.In
		}
		s.Written += st.Written
		s.Committed += st.Committed
		s.Stages = append(s.Stages, StageSummary{
			Name: st.Name, In: st.In, Written: st.Written, Committed: st.Committed, Skipped: st.Skipped, Retried: st.Retried, RetriesGivenUp: st.GivenUp,
		})
	}
	return s
}

// String is one line without the stages: in 1200, written 1180, committed 1200, given back 3, given
// up 0, in 2.5s.
func (s Summary) String() string {
	return fmt.Sprintf("in %d, written %d, committed %d, given back %d, given up %d, in %v",
		s.In, s.Written, s.Committed, s.GivenBack, s.GivenUp, s.Took.Round(time.Millisecond))
}
