package core

// summary adds up what stages have done, those of one name together, in the order in which they
// were met. The zero value is empty.
type summary struct {
	stages []StageCounts
	at     map[string]int // in stages
}

func (s *summary) add(counts []StageCounts) {
	for _, c := range counts {
		i, met := s.at[c.Name]
		if !met {
			if s.at == nil {
				s.at = map[string]int{}
			}
			s.at[c.Name] = len(s.stages)
			s.stages = append(s.stages, c)
			continue
		}
		was := &s.stages[i]
		was.Source = was.Source || c.Source
		was.In += c.In
		was.Skipped += c.Skipped
		was.Retried += c.Retried
		was.GivenUp += c.GivenUp
		was.Calls += c.Calls
		was.Buffered += c.Buffered
		was.Written += c.Written
		was.Committed += c.Committed
	}
}

// Summary is what the run's stages have done, and those of its children, also of those that have
// left it; stages of one name are one. Sources are first. Any goroutine, at any time.
func (r *Run) Summary() []StageCounts {
	var s summary
	s.add(r.ownStages())
	for _, c := range r.allChildren() {
		s.add(c.Summary())
	}
	s.add(r.pastStages())
	return s.stages
}

// ownStages reads the stages of the run alone.
func (r *Run) ownStages() []StageCounts {
	stages := r.allStages()
	counts := make([]StageCounts, 0, len(stages))
	for i := len(stages) - 1; i >= 0; i-- {
		counts = append(counts, stages[i].counts())
	}
	return counts
}

// pastStages are those of children that have left.
func (g *registry) pastStages() []StageCounts {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]StageCounts(nil), g.past.stages...)
}
