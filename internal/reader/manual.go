package reader

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/internal/core"
	"github.com/vicuna-go/vicuna/internal/fault"
	"github.com/vicuna-go/vicuna/internal/topics"
)

// loadOffsets replaces the group's offsets by the user's, which it returns. Whoever calls it lets
// the sub-streams begin, once their partitions are known.
func (s *starter) loadOffsets(ctx context.Context, at topics.ByPartition[kgo.Offset]) (map[topics.Partition]int64, error) {
	var ps []topics.Partition
	for topic, ids := range at {
		for id := range ids {
			ps = append(ps, topics.Partition{Topic: topic, Partition: id})
		}
	}
	topics.Sort(ps)
	if len(ps) == 0 {
		return nil, nil
	}
	loaded, err := s.callLoad(ctx, ps)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx) // they are gone
	}
	for p, o := range loaded {
		switch {
		case o < 0 && err == nil:
			err = fmt.Errorf("%v: offset %d is negative", p, o)
		case at[p.Topic] != nil:
			if _, ours := at[p.Topic][p.Partition]; ours {
				// Without an epoch: it would be checked against data loss.
				at.Set(p, kgo.NewOffset().At(o).WithEpoch(-1))
			}
		}
	}
	if err != nil {
		err = &fault.UserError{What: "offset loader", Group: s.cfg.Group(), Source: s.name, Partitions: ps, Err: err}
		s.run.Fail(err)
		return nil, err
	}
	return loaded, nil
}

// callLoad calls the user's function.
func (s *starter) callLoad(ctx context.Context, ps []topics.Partition) (_ map[topics.Partition]int64, err error) {
	s.callers.setCalling("offset loader")
	defer s.run.Here()()
	defer func() {
		s.callers.setCalling("")
		if p := recover(); p != nil {
			err = &core.PanicError{Value: p, Stack: debug.Stack()}
		}
	}()
	return s.o.Manual.Load(ctx, ps)
}
