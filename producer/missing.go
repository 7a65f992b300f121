package producer

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/vicuna-go/vicuna/internal/core"
	"github.com/vicuna-go/vicuna/internal/kclient"
)

// Partitions that are not there yet.
//
// A topic may grow, and the client asks for metadata every few minutes only: a record that names a
// new partition is refused by it as naming none. Such records wait, by partition, in the order in
// which the client has refused them, while the metadata is asked for again, for partitionWait at
// most; whoever sends to the partition meanwhile queues behind them. Records for other partitions
// are not concerned. What is not there by then has failed.

// partitionWait is how long a partition that a record names may take to appear.
const partitionWait = 5 * time.Second

// nowhere is the leader of a partition that the client does not know of; of one without a leader it
// is another number.
const nowhere = -1

// partitionPoll is how often it is looked for.
const partitionPoll = 100 * time.Millisecond

// missing is the partitions of a topic that records wait for, under the lane's mu.
type missing struct {
	any     atomic.Bool         // whether there are some, for who does not hold mu
	records map[int32]*awaiting // by partition
	search  core.Serial         // safe by itself
}

// awaiting is the records for one partition. Those that the client has refused come through their
// promises, and may come after those that their senders have queued later.
type awaiting struct {
	until       time.Time
	back, queue []*entry
}

// awaits queues an entry whose partition others wait for.
func (l *lane) awaits(e *entry, now time.Time) bool {
	if e.named < 0 || !l.missing.any.Load() {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	waiting, ok := l.missing.records[e.named]
	if !ok {
		return false
	}
	l.client.stamp(e, now)
	waiting.queue = append(waiting.queue, e)
	l.client.queued.Add(1)
	return true
}

// isMissing takes a record that was refused for its partition; false: it has failed. Only promises
// call it.
func (l *lane) isMissing(e *entry, err error) bool {
	if e.named < 0 || e.searched || !kclient.BadChoice(err) || e.pending != nil && e.pending.TakenBack() {
		return false
	}
	e.comeBack()
	l.mu.Lock()
	defer l.mu.Unlock()
	m := &l.missing
	if m.records == nil {
		m.records = map[int32]*awaiting{}
	}
	waiting, ok := m.records[e.named]
	if !ok {
		waiting = &awaiting{until: time.Now().Add(partitionWait)}
		m.records[e.named] = waiting
		if len(m.records) == 1 {
			m.any.Store(true)
			m.search.Do(l.search)
		}
	}
	waiting.back = append(waiting.back, e)
	l.client.queued.Add(1)
	return true
}

// search asks for the metadata until each partition that is waited for is there, or its time is
// over.
func (l *lane) search() {
	c := l.client
	for l.missing.any.Load() {
		c.kgo.ForceMetadataRefresh()
		select {
		case <-time.After(partitionPoll):
		case <-c.kgo.Context().Done():
		}
		l.mu.Lock()
		var found []int32
		now := time.Now()
		for p, waiting := range l.missing.records {
			leader, _, _ := c.kgo.PartitionLeader(l.topic, p)
			if leader != nowhere || now.After(waiting.until) || c.kgo.Context().Err() != nil {
				found = append(found, p)
			}
		}
		l.mu.Unlock()
		for _, p := range found {
			l.resend(p)
		}
	}
}

// resend hands what waits for a partition to the client: to be written, or to fail.
func (l *lane) resend(p int32) {
	for {
		l.mu.Lock()
		waiting := l.missing.records[p]
		// what the client has refused is all back since the last look
		records := append(waiting.back, waiting.queue...)
		if len(records) == 0 {
			delete(l.missing.records, p)
			l.missing.any.Store(len(l.missing.records) > 0)
			l.mu.Unlock()
			return
		}
		waiting.back, waiting.queue = nil, nil
		l.mu.Unlock()
		for _, e := range records {
			e.searched = true
			l.client.give(l.client.kgo.Context(), e, time.Now())
		}
		l.client.queued.Add(int64(-len(records)))
		l.client.unlinger()
	}
}

// awaitSearches waits until no partition is looked for, or ctx ends.
func (c *Client) awaitSearches(ctx context.Context) (err error) {
	c.lanes.Range(func(_, l any) bool {
		err = l.(*lane).missing.search.Wait(ctx)
		return err == nil
	})
	return err
}
