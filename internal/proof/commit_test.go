package proof_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vicuna-go/vicuna/internal/feed"
	"github.com/vicuna-go/vicuna/internal/topics"
	"github.com/vicuna-go/vicuna/internal/tracker"
)

// interval is how long a finished record is uncommitted at most: islands and acknowledgements
// report runs of records, and a run that does not grow is looked for.
const interval = 50 * time.Millisecond

// commitLoop commits whenever some frontier has moved; while one commit is on its way the next one
// gathers.
func (m *member) commitLoop(quit <-chan struct{}) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-quit:
			return
		case <-m.moved:
		case <-tick.C:
			m.feed.Collect()
		}
		switch err := m.commit(m.cl.Context()); {
		case err == nil, kerr.IsRetriable(err), errors.Is(err, kerr.RebalanceInProgress):
			// then the next round commits it
		case m.cl.Context().Err() == nil:
			m.run.Fail(err)
			return
		}
	}
}

// commit collects and commits what is finished, both under the lock that a revoke takes for its own
// commit: what is collected is committed before the revoke returns, or not at all.
func (m *member) commit(ctx context.Context) error {
	m.committing <- struct{}{}
	defer func() { <-m.committing }()
	if m.hasCrashed() {
		return nil
	}
	marks := map[topics.Partition]tracker.Mark{}
	if m.broken == commitAtDelivery {
		m.mu.Lock()
		for p, mark := range m.delivered {
			marks[p] = mark
		}
		m.mu.Unlock()
	} else {
		m.feed.Each(func(a *feed.Assignment[*message]) {
			if mark, ok := a.Committable(); ok {
				marks[a.Partition()] = mark
			}
		})
	}
	return m.send(ctx, m.cl, marks)
}

// commitEnds commits the last marks of assignments that have ended.
func (m *member) commitEnds(ctx context.Context, ends []feed.End) error {
	return m.commitVia(ctx, m.cl, ends)
}

func (m *member) commitVia(ctx context.Context, cl *kgo.Client, ends []feed.End) error {
	m.committing <- struct{}{}
	defer func() { <-m.committing }()
	marks := map[topics.Partition]tracker.Mark{}
	for _, e := range ends {
		if e.Committable {
			marks[e.Partition] = e.Mark
		}
	}
	err := m.send(ctx, cl, marks)
	for _, e := range ends {
		delete(m.committed, e.Partition) // its next assignment may begin below
	}
	return err
}

func (m *member) send(ctx context.Context, cl *kgo.Client, marks map[topics.Partition]tracker.Mark) (err error) {
	offsets := map[string]map[int32]kgo.EpochOffset{}
	for p, mark := range marks {
		if m.committed[p] == mark {
			continue
		}
		m.committed[p] = mark
		if offsets[p.Topic] == nil {
			offsets[p.Topic] = map[int32]kgo.EpochOffset{}
		}
		offsets[p.Topic][p.Partition] = kgo.EpochOffset{Epoch: mark.Epoch, Offset: mark.Offset}
	}
	if len(offsets) == 0 {
		return nil
	}
	defer func() {
		if err != nil { // what was committed is not known
			clear(m.committed)
		}
	}()
	cl.CommitOffsetsSync(ctx, offsets, func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse, e error) {
		if err = e; e != nil {
			return
		}
		for _, t := range resp.Topics {
			for _, p := range t.Partitions {
				if e := kerr.ErrorForCode(p.ErrorCode); e != nil {
					err = fmt.Errorf("commit of %s[%d]: %w", t.Topic, p.Partition, e)
				}
			}
		}
	})
	return err
}
