package reader

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vicuna-go/vicuna/internal/topics"
	"github.com/vicuna-go/vicuna/settings"
)

// Latest skips what was there when the subscription began, and nothing else. A partition that the
// topic got later begins with its first record. It is told by its number: partitions are numbered
// from 0 on, and never taken away. How many there were at the beginning is known to whoever has
// seen it (History), and to a group that commits: each commit says so in its metadata, where the
// user has none, so that a member that joins later, or a group that is started anew, tells the new
// from the old as well.

// countMark is the metadata of commits that have no other: how many partitions the topic had when
// the group's subscription began. It is written with settings.Latest alone, where that matters.
const countMark = "vicuna: subscribed to partitions below %d"

// countIn reads it.
func countIn(metadata string) (n int32, ok bool) {
	_, err := fmt.Sscanf(metadata, countMark, &n)
	return n, err == nil && n > 0
}

// label is what is committed with the offsets of a topic.
func (s *starter) label(topic string) (string, bool) {
	if s.cfg.StartFrom() != settings.Latest {
		return "", false
	}
	n, ok := s.beganWith(topic)
	return fmt.Sprintf(countMark, n), ok
}

// onCommits reads the group's commits of the partitions that this member was given.
func (s *starter) onCommits(resp *kmsg.OffsetFetchResponse) {
	for _, g := range resp.Groups {
		for _, t := range g.Topics {
			for _, p := range t.Partitions {
				if t.Topic != "" && p.Metadata != nil && p.Offset >= 0 {
					s.starts.learn(t.Topic, *p.Metadata)
				}
			}
		}
	}
}

// learn is told of a commit of the group's.
func (st *starts) learn(topic, metadata string) {
	n, ok := countIn(metadata)
	if !ok {
		return
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	if was, known := st.counts[topic]; known && was <= n {
		return
	}
	if st.counts == nil {
		st.counts = map[string]int32{}
	}
	st.counts[topic] = n
}

// learned returns what commits say of a topic.
func (st *starts) learned(topic string) (int32, bool) {
	st.mu.Lock()
	defer st.mu.Unlock()
	n, ok := st.counts[topic]
	return n, ok
}

// beganWith is how many partitions a topic had when the subscription began; false where that is not
// known.
func (s *starter) beganWith(topic string) (int32, bool) {
	t := s.o.History.topic(topic)
	n, known := t.partitions, t.partitions > 0
	if by, ok := s.starts.learned(topic); ok && (!known || by < n) {
		n, known = by, true
	}
	return n, known
}

// latest looks up where partitions begin for settings.Latest that the group has no offsets of.
func (s *starter) latest(ctx context.Context, open []topics.Partition) (map[topics.Partition]int64, error) {
	select {
	case <-s.starts.known:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-s.ctx.Done():
		return nil, context.Cause(s.ctx)
	}
	manual := s.o.Subscription.Manual
	if s.o.keepsOffsets() && !manual {
		err := s.insist(ctx, open, func() error { return s.ask.Metadata(ctx, topics.Names(open), s.starts.learn) })
		if err != nil {
			return nil, err
		}
	}
	begins := map[topics.Partition]int64{}
	var fresh, old []topics.Partition
	later := map[time.Time][]topics.Partition{}
	for _, p := range open {
		n, known := s.beganWith(p.Topic)
		since := s.o.History.topic(p.Topic).since
		end, ok := s.starts.ends[p]
		switch {
		case manual:
			old = append(old, p)
		case known && p.Partition >= n:
			fresh = append(fresh, p)
		case !since.IsZero():
			later[since] = append(later[since], p)
		case ok:
			begins[p] = end
		default:
			old = append(old, p)
		}
	}
	add := func(found map[topics.Partition]int64, err error) error {
		for p, o := range found {
			begins[p] = o
		}
		return err
	}
	err := s.insist(ctx, fresh, func() error { return add(s.ask.Beginning(ctx, fresh)) })
	if err == nil {
		err = s.insist(ctx, old, func() error { return add(s.ask.End(ctx, old)) })
	}
	for since, ps := range later {
		if err == nil {
			err = s.insist(ctx, ps, func() error { return add(s.ask.After(ctx, since, ps)) })
		}
	}
	return begins, err
}
