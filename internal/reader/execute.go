package reader

import (
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/internal/partitions"
	"github.com/vicuna-go/vicuna/internal/topics"
)

// decide calls what looks at the partitions or tells of what has happened to them, and carries out
// what follows. It is the only way to the table for whatever may have commands follow, and the only
// place where the client is told to pause and to resume, where lanes hurry and complete, and where
// sub-streams are given out.
//
// The client is told under the lock, since who comes second has the last word with it, too. What
// may ask something of the streams comes after it; each reason to hurry is therefore one
// goroutine's: Starved and AtEnd are attend's, Spent the poller's. It returns where the client is
// to go back to, which only the poller does.
func (s *Session) decide(look func()) (back []partitions.Seek) {
	s.mu.Lock()
	look()
	out := s.parts.Take()
	for _, g := range out.Gate {
		g.Part.Flow.assignment.Pause(g.Shut)
	}
	if len(out.Pause) > 0 {
		s.cl.PauseFetchPartitions(topics.ByTopic(out.Pause))
		s.fetchSize.Drop(out.Pause...)
	}
	if len(out.Resume) > 0 {
		s.cl.ResumeFetchPartitions(topics.ByTopic(out.Resume))
	}
	s.mu.Unlock()
	if out.CompleteAll {
		s.done.Store(true)
	}
	for _, h := range out.Hurry {
		h.Lane.(*lane).hurry(h.Why, h.On)
	}
	for _, l := range out.Complete {
		l.(*lane).feed.Complete()
	}
	if out.CompleteAll && s.handout != nil {
		s.handout.complete()
	}
	for _, st := range out.Start {
		s.substreams.startAfter(st.Part, st.After)
	}
	return out.Seek
}

// seek lets the client go back; the poller calls it, between two polls.
func (s *Session) seek(back []partitions.Seek) {
	offsets := topics.ByPartition[kgo.EpochOffset]{}
	for _, b := range back {
		// Without an epoch: it would be checked against data loss, and we go back to what we have
		// read.
		offsets.Set(b.Partition, kgo.EpochOffset{Epoch: -1, Offset: b.Offset})
	}
	s.cl.SetOffsets(offsets)
	s.fetchSize.DropAll()
}
