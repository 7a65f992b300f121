package reader

import (
	"time"

	"github.com/vicuna-go/vicuna/internal/topics"
)

// tails finds out that the last offsets of a bounded run hold no record.
type tails struct{ *Session }

// A bounded run reads each partition up to the end that it had, and the last offsets before that
// may hold nothing that can be read: records that were compacted away, alone or with their batches,
// or aborted ones whose marker lies after the start of another open transaction. The client goes on
// after such a batch without a word, or gets nothing, and no record comes that shows that the end
// is reached.
//
//  1. A partition of which nothing has come for a while, and of which nothing waits here, is asked
//     for what lies from where it is read next: by a fetch of our own, past the client. What that
//     brings is looked at and not used: where there is a record, the client brings it, too.
//  2. A batch says where it ends, so what it does not hold is not there. An answer without a batch
//     says as much, where the log goes on to the end of the run and the offset is not one that the
//     broker keeps in remote storage, which may be slow to answer.
//  3. Everything else (an error, a throttled answer, a leader that is moving) says nothing, and is
//     asked again.

// tailPatience is how long nothing has come of a partition that is asked for its tail, and
// tailLongest how long it is waited for at most before it is asked again.
const (
	tailPatience = 2 * patience
	tailLongest  = 10 * time.Second
)

// tail is a partition that waits to be read to its end.
type tail struct {
	part  *part
	from  int64
	pause time.Duration
	due   time.Time
}

// watchTails finds out that partitions have nothing more to read before the end of a bounded run.
func (s *tails) watchTails(quit <-chan struct{}) {
	if !s.awaitBounds() {
		return
	}
	tick := time.NewTicker(tailPatience)
	defer tick.Stop()
	ends := s.bounds().Ends
	resting := map[topics.Partition]tail{}
	for !s.over() {
		select {
		case <-tick.C:
		case <-quit:
			return
		case <-s.ctx.Done():
			return
		}
		if s.poller.crowded() {
			clear(resting) // nothing is fetched, so it says nothing that nothing comes
			continue
		}
		for _, t := range s.atRest(resting) {
			at, err := s.ask.Unreadable(s.ctx, t.part.Partition, t.from, ends[t.part.Partition])
			if err == nil && at > t.from {
				s.decide(func() { s.parts.Skip(t.part, t.from, at) })
				s.bell.Ring()
			}
		}
	}
}

// atRest are the partitions that are to be asked now; resting is what it knows of them from the
// last time, and for the next.
func (s *tails) atRest(resting map[topics.Partition]tail) (due []tail) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for p := range resting {
		if s.parts.Get(p) == nil {
			delete(resting, p)
		}
	}
	for key, p := range s.parts.All() {
		from := s.parts.Bounds().From(key, p.Next())
		t, known := resting[key]
		switch {
		case !s.parts.AtRest(p):
			delete(resting, key)
			continue
		case !known || t.part != p || t.from != from:
			resting[key] = tail{part: p, from: from, pause: tailPatience, due: now.Add(tailPatience)}
			continue
		case now.Before(t.due):
			continue
		}
		t.pause = min(2*t.pause, tailLongest)
		t.due = now.Add(t.pause)
		resting[key] = t
		due = append(due, t)
	}
	return due
}
