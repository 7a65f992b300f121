package consumer

import (
	"time"

	"github.com/vicuna-go/vicuna/internal/topics"
)

// What is told of sub-streams that do not come and go as they should. Both are the graph's doing,
// and nothing of the consumer's looks wrong while they last.

// waitsForChild is a partition whose sub-stream was given out and does not run: Each has as many
// children as it may.
func (p *part) waitsForChild() bool { return p.streams && p.lane == nil && !p.revoking }

// watchSubStreams tells once of partitions that nobody reads because their sub-streams do not
// begin, and of sub-streams whose graphs do not end though their partitions are gone.
func (s *session[K, V, T]) watchSubStreams(after time.Duration) {
	if s.outer == nil {
		return
	}
	var waiting, lasting []TopicPartition
	now, wanted := time.Now(), s.outer.wanted()
	s.mu.Lock()
	for _, p := range s.parts {
		// A bounded run's sub-streams end: there the others only wait for their turn.
		if wanted && s.ends.known == nil && p.waitsForChild() && !p.toldWaiting && now.Sub(p.givenOut) >= after {
			p.toldWaiting = true
			waiting = append(waiting, p.TopicPartition)
		}
	}
	for l, o := range s.outlived {
		if !o.told && now.Sub(o.since) >= after {
			o.told = true
			s.outlived[l] = o
			lasting = append(lasting, o.TopicPartition)
		}
	}
	s.mu.Unlock()
	if len(waiting) > 0 {
		topics.Sort(waiting)
		s.log.Warn("vicuna: partitions are assigned and nobody reads them: their sub-streams wait until another one ends, and those of a partition end only when it is taken away; let Each run as many at a time as "+
			"partitions can be assigned (0: all)", "partitions", topics.Summary(waiting), "for", after)
	}
	if len(lasting) > 0 {
		topics.Sort(lasting)
		s.log.Warn("vicuna: sub-streams have completed with their partitions, and the graphs that run them have not ended: another source in such a graph has to complete, too",
			"partitions", topics.Summary(lasting), "for", after)
	}
}

// outlived is a sub-stream whose partition is gone and whose graph has not ended.
type outlived struct {
	TopicPartition
	since time.Time
	told  bool
}

// pauseBefore is how long to wait before a partition gets another sub-stream. One that has finished
// nothing would meet the same record again, a poisoned one that Each's policy skips the failures
// of; and each time the client drops what it has fetched of all partitions. The caller holds the
// lock.
func (p *part) pauseBefore(progress bool) time.Duration {
	if progress {
		p.barren = 0
		return 0
	}
	p.barren++
	return min(firstPause<<min(p.barren-1, 16), longestPause)
}

const (
	firstPause   = 100 * time.Millisecond
	longestPause = 10 * time.Second
)
