package reader

import (
	"fmt"
	"maps"
	"time"

	"github.com/vicuna-go/vicuna/internal/lookup"
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
//  1. Partitions of which nothing has come for a while, and of which nothing waits here, are asked
//     for what lies from where they are read next: by a fetch of our own, past the client, for all
//     that a broker leads, and all brokers at the same time. What that brings is looked at and not
//     used: where there is a record, the client brings it, too.
//  2. A batch says where it ends, so what it does not hold is not there. An answer without a batch
//     says as much, where the log goes on to the end of the run and the offset is not one that the
//     broker keeps in remote storage, which may be slow to answer.
//  3. Everything else (an error, a throttled answer, a leader that is moving) says nothing, and is
//     asked again. Errors are told of once, as the run does not end while they last.

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
		due := s.atRest(resting)
		if len(due) == 0 {
			continue
		}
		asked := make([]lookup.Tail, 0, len(due))
		for _, t := range due {
			asked = append(asked, lookup.Tail{Partition: t.part.Partition, From: t.from, End: ends[t.part.Partition]})
		}
		found, failed := s.askAll(asked)
		s.tell(asked, failed)
		for _, t := range due {
			if at := found[t.part.Partition]; at > t.from {
				s.decide(func() { s.parts.Skip(t.part, t.from, at) })
			}
		}
		s.bell.Ring()
	}
}

// askAll asks all leaders of tails at the same time up to where those hold nothing to read.
func (s *tails) askAll(asked []lookup.Tail) (map[topics.Partition]int64, lookup.Failures) {
	type answer struct {
		found  map[topics.Partition]int64
		failed lookup.Failures
	}
	leaders, failed := s.ask.Leaders(s.ctx, asked)
	answers := make(chan answer, len(leaders))
	var waits []func()
	for leader, led := range leaders {
		waits = append(waits, s.run.Serve(fmt.Sprintf("%s tails of broker %d", s.name, leader), func(<-chan struct{}) {
			found, failed := s.ask.Unreadable(s.ctx, leader, led)
			answers <- answer{found, failed}
		}))
	}
	for _, wait := range waits {
		wait()
	}
	close(answers)
	found := map[topics.Partition]int64{}
	for a := range answers {
		maps.Copy(found, a.found)
		maps.Copy(failed, a.failed)
	}
	return found, failed
}

// unasked is the outage of a partition whose leader does not say what lies at its end.
func unasked(p topics.Partition) string { return "tail " + p.String() }

// tell tells once of partitions whose tails cannot be asked for, and when they can be again.
func (s *tails) tell(asked []lookup.Tail, failed lookup.Failures) {
	if s.ctx.Err() != nil {
		return
	}
	var begun, over []topics.Partition
	var why error
	s.mu.Lock()
	for _, t := range asked {
		err := failed[t.Partition]
		switch {
		case s.parts.Get(t.Partition) == nil:
		case err == nil:
			if _, was := s.outages.Over(unasked(t.Partition)); was {
				over = append(over, t.Partition)
			}
		case s.outages.Begins(unasked(t.Partition)):
			begun, why = append(begun, t.Partition), err
		}
	}
	s.mu.Unlock()
	topics.Sort(begun)
	topics.Sort(over)
	if len(begun) > 0 {
		s.log.Warn("vicuna: brokers do not say what lies before the ends of partitions, and a bounded run does not complete while that lasts; they are asked again",
			"partitions", topics.Summary(begun), "error", why)
	}
	if len(over) > 0 {
		s.log.Info("vicuna: brokers say again what lies before the ends of partitions", "partitions", topics.Summary(over))
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
