package reader

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/internal/memory"
	"github.com/vicuna-go/vicuna/internal/topics"
)

// poller fetches and delivers: the one goroutine that polls the client, and what wakes it.
type poller struct {
	*Session // written by furnish

	pollMu sync.Mutex
	cancel context.CancelFunc // of the poll under way; under pollMu
}

// poll fetches and delivers. From a poll until it has delivered what that brought, the client keeps
// rebalances waiting: records of one assignment are never delivered to the partition's next one.
// That takes no time worth mentioning, since delivering never waits.
func (s *poller) poll(<-chan struct{}) {
	defer s.cl.AllowRebalance()
	if !s.awaitBounds() { // what came before them could lie after them
		return
	}
	for s.room() {
		ctx := s.beginPoll()
		if s.over() {
			return
		}
		if s.needsRewind() {
			s.endPoll() // who told it has found no poll to wake
		}
		fetches := s.cl.PollFetches(ctx)
		s.endPoll()
		if s.over() {
			return
		}
		s.faults.errors(fetches)
		for i := range fetches {
			s.take(&fetches[i])
		}
		s.rewind()
		s.cl.AllowRebalance()
		if fetches.NumRecords() == 0 && len(fetches.Errors()) > 0 {
			s.pauseAfterErrors()
		}
		s.fitFetches()
	}
}

// pauseAfterErrors lets some time pass after a poll that brought nothing but errors. The client
// tells of a topic that is not there at every poll, and would be asked again without a break.
func (s *poller) pauseAfterErrors() {
	timer := time.NewTimer(errorPause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.ctx.Done():
	case <-s.run.StopC():
	}
}

const errorPause = 50 * time.Millisecond

// fitFetches sets the size of fetches now and then.
func (s *poller) fitFetches() {
	s.fetchSize.Polled(s.budget.Full(), func() memory.Fetching {
		s.mu.Lock()
		defer s.mu.Unlock()
		return memory.Fetching{Brokers: len(s.cl.DiscoveredBrokers()), Partitions: s.parts.Len(), Strained: s.parts.Strained()}
	})
}

// beginPoll makes the context of a poll, which wakePoll ends.
func (s *poller) beginPoll() context.Context {
	ctx, cancel := context.WithCancel(s.ctx)
	s.pollMu.Lock()
	defer s.pollMu.Unlock()
	s.cancel = cancel
	return ctx
}

func (s *poller) endPoll() {
	s.pollMu.Lock()
	defer s.pollMu.Unlock()
	s.cancel()
}

// wakePoll makes a poll that waits return.
func (s *poller) wakePoll() {
	s.pollMu.Lock()
	defer s.pollMu.Unlock()
	if s.cancel != nil {
		s.cancel()
	}
}

// patience is how long a record may be on its way before its partition counts as slow. A fetch that
// waits at the broker takes as long.
const patience = 250 * time.Millisecond

// room waits until there is room in the budget; false: there is nothing more to fetch for.
func (s *poller) room() bool {
	if !s.budget.Full() {
		s.mu.Lock()
		s.parts.Relax()
		s.mu.Unlock()
	}
	if !s.crowded() {
		return !s.over()
	}
	timer := time.NewTicker(patience / 4)
	defer timer.Stop()
	defer s.idle(false)
	for {
		changed := s.bell.Listen()
		switch {
		case s.over():
			return false
		case !s.crowded(), s.needsRewind():
			return true
		}
		s.idle(true)
		select {
		case <-changed:
		case <-timer.C:
			s.strain()
		case <-s.ctx.Done():
		case <-s.run.StopC():
		}
	}
}

// strain pauses those that hold more than their share, where that helps the others.
func (s *poller) strain() {
	strained := false
	s.decide(func() { strained = s.parts.Strain() })
	if strained {
		s.bell.Ring() // they may have nothing waiting already
	}
}

// idle lets holders emit (a Batch) while the budget is full and nothing is on its way to them: they
// would wait for more for ever.
func (s *poller) idle(spent bool) {
	s.decide(func() { s.parts.Idle(spent) })
}

// crowded reports whether polling has to wait. Once those that hold too much are paused, the others
// have as much again.
func (s *poller) crowded() bool {
	s.mu.Lock()
	strained := s.parts.Strained()
	s.mu.Unlock()
	if strained {
		return s.budget.Exhausted()
	}
	return s.budget.Full()
}

// take delivers what one broker's response has brought.
func (s *poller) take(f *kgo.Fetch) {
	var response *memory.Lease
	for ti := range f.Topics {
		t := &f.Topics[ti]
		if s.member != nil {
			s.member.Identify(t.Topic, t.TopicID)
		}
		for pi := range t.Partitions {
			p := &t.Partitions[pi]
			if len(p.Records) == 0 {
				continue
			}
			// What is not compressed points into the broker's response, which lives as long as any
			// of it.
			if p.Records[0].Attrs.CompressionType() == 0 {
				if response == nil {
					response = s.budget.Lease()
				}
				s.deliver(t.Topic, p, response)
				continue
			}
			own := s.budget.Lease()
			s.deliver(t.Topic, p, own)
			own.Done()
		}
	}
	if response != nil {
		response.Done()
	}
}

// deliver gives the stream what was fetched of a partition, or stages it to be committed ahead.
func (s *poller) deliver(topic string, p *kgo.FetchPartition, lease *memory.Lease) {
	tp := topics.Partition{Topic: topic, Partition: p.Partition}
	s.fetched.Add(int64(len(p.Records)))
	s.faults.fetchedAgain(tp)
	bytes := s.fetchSize.Take(tp, p.Records)
	b, wanted := s.seen(tp, p.Records, bytes, lease)
	switch {
	case wanted && s.o.Ahead > 0:
		s.decide(func() {
			if b.part.Flow.assignment == b.assignment { // else it has ended since
				s.parts.Delivered(b.part)
			}
		})
		s.bell.Ring() // there may be something to commit, and room again
	case wanted:
		s.give(b, lease)
	}
}

// batch is a run of records that are to be delivered.
type batch struct {
	part       *part
	assignment *assignment
	records    []*kgo.Record
	after      int64 // the offset after them
	bytes      int64 // what they are charged with
	parent     *memory.Lease
}

// seen notes what was fetched of a partition, and returns what is to be delivered of it. At most
// once that is staged.
func (s *poller) seen(tp topics.Partition, recs []*kgo.Record, bytes int64, lease *memory.Lease) (b batch, wanted bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, wanted := s.parts.Fetched(tp, recs[0].Offset)
	if !wanted {
		return b, false
	}
	if p.Flow.began < 0 {
		p.Flow.began = recs[0].Offset
	}
	after := recs[len(recs)-1].Offset + 1 // also after what is left out
	recs = s.within(tp, recs)
	b = batch{part: p, assignment: p.Flow.assignment, records: recs, after: after}
	switch {
	case len(recs) == 0:
		s.parts.Read(p, after)
		s.bell.Ring()
		return b, false
	case s.o.Ahead > 0:
		s.parts.Read(p, after)
		bytes += int64(len(recs)) * memory.RecordBytes
		lease.Add(bytes, len(recs))
		s.budget.Charge(bytes, len(recs))
		p.Flow.stage(staged{recs, lease, bytes})
	default:
		b.bytes = bytes + int64(len(recs))*(memory.RecordBytes+s.o.ElementBytes)
	}
	return b, true
}

// within cuts off what lies after the end of a bounded run; the caller holds the lock.
func (s *poller) within(tp topics.Partition, recs []*kgo.Record) []*kgo.Record {
	end, known := s.parts.Bounds().Of(tp)
	if !known || recs[len(recs)-1].Offset < end {
		return recs
	}
	n, _ := slices.BinarySearchFunc(recs, end, func(r *kgo.Record, end int64) int { return cmp.Compare(r.Offset, end) })
	return recs[:n:n]
}
