package reader

import "time"

// Metrics is a reading of a run's counters; package consumer says what each of them is.
type Metrics struct {
	Assigned, Paused, Held         int
	Fetched                        int64
	Queued, Outstanding            int
	OutstandingBytes               int64
	Oldest                         time.Duration
	Revoked                        int64
	Commits, FailedCommits         int64
	BufferedRecords, BufferedBytes int64
}

// Metrics reads the counters.
func (s *Session) Metrics() Metrics {
	m := Metrics{Fetched: s.fetched.Load(), OutstandingBytes: s.budget.Used(), Revoked: s.dropped.Load()}
	m.Commits, m.FailedCommits = s.door.Counts()
	s.mu.Lock()
	for _, p := range s.parts.All() {
		m.Assigned++
		if p.PausedByUser() {
			m.Paused++
		}
		if p.PausedForRoom() {
			m.Held++
		}
		if a := p.Flow.assignment; a != nil {
			m.Queued += a.Queued()
			m.Outstanding += a.Outstanding()
			if _, age, ok := a.Oldest(); ok {
				m.Oldest = max(m.Oldest, age)
			}
		}
	}
	s.mu.Unlock()
	select {
	case <-s.ready:
		if s.cl != nil {
			m.BufferedRecords, m.BufferedBytes = s.cl.BufferedFetchRecords(), s.cl.BufferedFetchBytes()
		}
	default:
	}
	return m
}
