package stream

import "time"

// Snapshot is a picture of a running graph. It costs the stream nothing: counters are published
// once per chunk of up to 256 elements, or when a stage's goroutine has nothing to do, so they may
// lag by that.
type Snapshot struct {
	// At is when it was taken; two snapshots give rates.
	At time.Time
	// State is "running", "draining", "stopping" or "over".
	State string
	// Stages are those of the graph and of the child runs inside it, sources first.
	Stages []StageSnapshot
	// Outstanding is how many records of tracked sources were delivered and are not finished, and
	// Oldest the age of the oldest of them since it was delivered.
	Outstanding int
	Oldest      time.Duration
	// GivenBack is how many records were given back when the run was drained or their partition was
	// taken away: they had been delivered to the graph, and no stage with effects had begun them.
	GivenBack int64
	// GivenUp are the records that had begun and were given up, by stage and partition.
	GivenUp []GivenUp
	// Dropped counts the elements that were thrown away on their way, because their records were
	// given back, or lay after one that was given up.
	Dropped int64
	// Busy are the goroutines that have been at work on one chunk for over a second, by the stages
	// that they run: a slow, or stuck, user function is in one of them.
	Busy map[string]time.Duration
}

// StageSnapshot is a stage in a [Snapshot].
type StageSnapshot struct {
	// Name is the operator's, or what Named gave.
	Name string
	// In is how many elements have reached it.
	In uint64
	// Buffered is how many elements wait in its boundary, or are in work behind it and not taken.
	Buffered int
	// Calls is how many calls of its function run now, for stages with workers.
	Calls int64
	// Waiting is how many elements it has failed on and tries again, and LastError the latest of
	// their failures; nil where none waits.
	Waiting   int
	LastError error
	// Skipped and Retried count what its error policy has done.
	Skipped, Retried uint64
	// RetriesGivenUp counts elements whose retries were ended by a drain or a revoke that could not
	// wait any longer: they will be delivered again. Their records are among the snapshot's
	// GivenUp.
	RetriesGivenUp uint64
}

// Snapshot takes a picture of the run.
func (c *Control) Snapshot() Snapshot {
	s := Snapshot{At: time.Now(), State: "running", Dropped: c.r.Dropped(), GivenBack: c.r.GivenBack(), GivenUp: c.r.GivenUps(), Busy: c.r.Busy(time.Second)}
	s.Outstanding, s.Oldest = c.r.Outstanding()
	select {
	case <-c.r.DoneC():
		s.State = "over"
	default:
		switch {
		case c.r.Stopped():
			s.State = "stopping"
		case c.r.Draining():
			s.State = "draining"
		}
	}
	for _, st := range c.r.Stages() {
		s.Stages = append(s.Stages, StageSnapshot{
			Name: st.Name, In: st.In, Buffered: st.Buffered, Calls: st.Calls, Waiting: st.Waiting, LastError: st.LastError, Skipped: st.Skipped, Retried: st.Retried, RetriesGivenUp: st.GivenUp,
		})
	}
	return s
}
