package consumer

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/internal/feed"
	"github.com/vicuna-go/vicuna/internal/tracker"
)

// poll fetches and delivers. From a poll until it has delivered what that brought, the client keeps
// rebalances waiting: records of one assignment are never delivered to the partition's next one.
// That takes no time worth mentioning, since delivering never waits.
func (s *session[K, V, T]) poll(<-chan struct{}) {
	defer s.cl.AllowRebalance()
	if !s.ends.await(s.ctx) { // what came before them could lie behind them
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
		s.errors(fetches)
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
func (s *session[K, V, T]) pauseAfterErrors() {
	timer := time.NewTimer(pauseAfterErrors)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.ctx.Done():
	case <-s.run.StopC():
	}
}

const pauseAfterErrors = 50 * time.Millisecond

// beginPoll makes the context of a poll, which wakePoll ends.
func (s *session[K, V, T]) beginPoll() context.Context {
	ctx, cancel := context.WithCancel(s.ctx)
	s.pollMu.Lock()
	defer s.pollMu.Unlock()
	s.cancel = cancel
	return ctx
}

func (s *session[K, V, T]) endPoll() {
	s.pollMu.Lock()
	defer s.pollMu.Unlock()
	s.cancel()
}

// wakePoll makes a poll that waits return.
func (s *session[K, V, T]) wakePoll() {
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
func (s *session[K, V, T]) room() bool {
	if !s.budget.full() {
		s.strained.Store(false)
	}
	if !s.crowded() {
		return !s.over()
	}
	timer := time.NewTicker(patience / 4)
	defer timer.Stop()
	defer s.hurryIfIdle(false)
	for {
		changed := s.bell.Listen()
		switch {
		case s.over():
			return false
		case !s.crowded(), s.needsRewind():
			return true
		}
		s.hurryIfIdle(true)
		select {
		case <-changed:
		case <-timer.C:
			s.strain()
		case <-s.ctx.Done():
		case <-s.run.StopC():
		}
	}
}

// crowded reports whether polling has to wait. Once those that hold too much are held, the others
// have as much again.
func (s *session[K, V, T]) crowded() bool {
	if s.strained.Load() {
		return s.budget.exhausted()
	}
	return s.budget.full()
}

// hurryIfIdle lets holders emit (a Batch) while the budget is full and nothing is on its way to
// them: they would wait for more for ever.
func (s *session[K, V, T]) hurryIfIdle(isFull bool) {
	s.mu.Lock()
	lanes := s.lanes()
	queued := map[*lane]int{}
	if isFull {
		for _, p := range s.parts {
			if p.assignment != nil && !p.userPaused {
				queued[p.lane] += p.assignment.Queued()
			}
		}
	}
	s.mu.Unlock()
	for _, l := range lanes {
		l.hurry(full, isFull && queued[l] == 0)
	}
}

// take delivers what one broker's response has brought.
func (s *session[K, V, T]) take(f *kgo.Fetch) {
	var response *tracker.Lease
	for ti := range f.Topics {
		t := &f.Topics[ti]
		s.commit.fetched(t.Topic, t.TopicID)
		for pi := range t.Partitions {
			p := &t.Partitions[pi]
			if len(p.Records) == 0 {
				continue
			}
			// What is not compressed points into the broker's response, which lives as long as any
			// of it.
			if p.Records[0].Attrs.CompressionType() == 0 {
				if response == nil {
					response = s.budget.lease()
				}
				s.deliver(t.Topic, p, response)
				continue
			}
			own := s.budget.lease()
			s.deliver(t.Topic, p, own)
			own.Done()
		}
	}
	if response != nil {
		response.Done()
	}
}

// seen notes what was fetched of a partition, and returns what is to be delivered of it.
func (s *session[K, V, T]) seen(topic string, p *kgo.FetchPartition, bytes int64, lease *tracker.Lease) (b batch, wanted bool) {
	recs := p.Records
	s.mu.Lock()
	defer s.mu.Unlock()
	pt := s.parts[feed.Partition{Topic: topic, ID: p.Partition}]
	if pt == nil || pt.revoking {
		return b, false
	}
	if pt.rewinding() {
		return b, false // it is read again from a record before these
	}
	if pt.assignment == nil || pt.missed {
		pt.miss(recs)
		return b, false
	}
	after := recs[len(recs)-1].Offset + 1 // also behind what is left out
	recs = s.ends.within(pt.TopicPartition, recs)
	switch {
	case len(recs) == 0:
		pt.next = after
		s.bell.Ring()
	case s.shape.ahead > 0:
		pt.next = after
		bytes += int64(len(recs)) * recordBytes
		lease.Add(bytes, len(recs))
		s.budget.charge(bytes, len(recs))
		pt.staged = append(pt.staged, staged{recs, lease, bytes})
		pt.stagedBytes += bytes
	default:
		return batch{part: pt, assignment: pt.assignment, records: recs, after: after, bytes: bytes + int64(len(recs))*(recordBytes+s.shape.size)}, true
	}
	return b, false
}

// miss notes that records were fetched which nobody took; the caller holds the lock.
func (p *part) miss(recs []*kgo.Record) {
	if p.next < 0 {
		p.next = recs[0].Offset
	}
	p.missed = true
}

func (s *session[K, V, T]) deliver(topic string, p *kgo.FetchPartition, lease *tracker.Lease) {
	s.fetched.Add(int64(len(p.Records)))
	if s.troubles.any.Load() > 0 {
		name := TopicPartition{topic, p.Partition}.String()
		if took, was := s.troubles.over("fetch " + name); was {
			s.log.Info("vicuna: a partition is fetched again", "partition", name, "after", took)
		}
	}
	bytes := s.fetchSize.take(TopicPartition{topic, p.Partition})
	switch b, wanted := s.seen(topic, p, bytes, lease); {
	case wanted:
		s.give(b, lease)
	case s.shape.ahead > 0:
		s.holdStaged(TopicPartition{topic, p.Partition})
	}
}

// batch is a run of records that are to be delivered.
type batch struct {
	part       *part
	assignment *feed.Assignment[*kgo.Record]
	records    []*kgo.Record
	after      int64 // the offset behind them
	bytes      int64 // what they are charged with
	parent     *tracker.Lease
}

// offsetsOf tells the tracker where records lie; mostly they follow each other, and nobody has to
// look at each.
func offsetsOf(recs []*kgo.Record) feed.Offsets {
	first, last := recs[0], recs[len(recs)-1]
	if last.Offset-first.Offset == int64(len(recs)-1) && last.LeaderEpoch == first.LeaderEpoch {
		return feed.Offsets{First: first.Offset, Epoch: first.LeaderEpoch}
	}
	return feed.Offsets{At: func(i int) (int64, int32) { return recs[i].Offset, recs[i].LeaderEpoch }}
}

// give delivers records, unless they are not wanted any more: then whoever takes the partition next
// begins with them.
func (s *session[K, V, T]) give(b batch, lease *tracker.Lease) {
	pt, a, recs := b.part, b.assignment, b.records
	bytes, n := b.bytes, len(recs)
	if s.shape.ahead > 0 {
		n = 0 // they were counted when they were staged
	}
	s.budget.charge(bytes, n)
	// In one step with what is known of the partition: between the two it would seem to be read and
	// finished.
	s.mu.Lock()
	wanted := !pt.revoking && pt.assignment == a &&
		a.Deliver(feed.Delivery[*kgo.Record]{Vals: recs, Offsets: offsetsOf(recs), Bytes: bytes, Lease: lease, Lot: s.newLot(recs)})
	switch {
	case s.shape.ahead > 0 && wanted:
		pt.unstage(len(recs))
		pt.rewound = false
	case s.shape.ahead > 0: // they stay staged: the partition's last commit sets the offset back
	case wanted:
		pt.next = b.after
	case !pt.missed && !pt.rewinding():
		pt.miss(recs)
	}
	s.mu.Unlock()
	if !wanted {
		s.budget.free(bytes, n)
		return
	}
	if s.ends.known != nil || s.shape.ahead > 0 {
		s.bell.Ring() // the island may have finished them already; less is staged
	}
	s.holdIfFull(pt, a)
}

// rewind goes back to what was given up while its partition stays.
func (s *session[K, V, T]) rewind() {
	if !s.needsRewind() {
		return
	}
	offsets := map[string]map[int32]kgo.EpochOffset{}
	s.goBack.Store(false)
	s.mu.Lock()
	lanes := s.lanes()
	for _, p := range s.parts {
		if p.missed && p.assignment != nil && !p.rewinding() {
			p.missed = false
			setOffset(offsets, p.TopicPartition, p.next)
		}
	}
	s.mu.Unlock()
	for _, l := range lanes {
		// In one step with what is known of the partition: a sub-stream that ends in between would
		// leave it as read.
		s.mu.Lock()
		rewound, err := l.feed.Rewind()
		for _, r := range rewound {
			p := s.parts[r.Partition()]
			if p == nil || p.lane != l { // taken away, or with another sub-stream by now
				continue
			}
			p.assignment, p.next, p.missed, p.rewound = r.Assignment, r.From, false, true
			p.unstageAll()
			if p.userPaused {
				p.assignment.Pause(true)
			}
			setOffset(offsets, p.TopicPartition, r.From)
		}
		s.mu.Unlock()
		if err != nil {
			s.run.Fail(err)
			return
		}
	}
	s.cl.SetOffsets(offsets)
	// who waits for the end of a bounded run has seen that there was something to rewind; perhaps
	// there was not
	s.bell.Ring()
}

// rewinding reports whether the partition waits to be read again from a record that was given up.
func (p *part) rewinding() bool { return p.assignment != nil && p.assignment.Rewinding() }

func setOffset(offsets map[string]map[int32]kgo.EpochOffset, p TopicPartition, offset int64) {
	if offsets[p.Topic] == nil {
		offsets[p.Topic] = map[int32]kgo.EpochOffset{}
	}
	// Without an epoch: it would be checked against data loss, and we go back to what we have read.
	offsets[p.Topic][p.Partition] = kgo.EpochOffset{Epoch: -1, Offset: offset}
}

func (s *session[K, V, T]) needsRewind() bool {
	if s.lane != nil {
		return s.lane.feed.NeedsRewind() || s.goBack.Load()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.parts {
		if p.missed && p.assignment != nil && !p.rewinding() || p.lane != nil && p.lane.feed.NeedsRewind() {
			return true
		}
	}
	return false
}
