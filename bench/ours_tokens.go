package main

import (
	"context"

	"github.com/vicuna-go/vicuna/stream"
	"github.com/vicuna-go/vicuna/stream/streamtest"
)

// oursTokens is the chain of maps on a tracked source: every element's token is
// accounted for, and at the end of each pass all of it is committed. The source
// plays a consumer, so its queues and its tracker are in the figure as well.
func oursTokens(n int) *side {
	return &side{name: "stream, tracked", n: n, run: func(ctx context.Context, t *trial) error {
		in := ints(t.n)
		var c intChain
		err := passes(t.n, func(n int) error {
			src := streamtest.NewTracked[int](1, streamtest.PollSize(8192), streamtest.QueueLimit(65536), streamtest.TrackLimit(1<<20))
			src.Append(0, in[:n]...)
			src.End()
			err := t.measure(func() error {
				return maps(src.Values(), &c).To(stream.Ignore[int]()).Run(ctx)
			})
			if err != nil {
				return err
			}
			return same("offsets committed", int(src.Committed(0)), n)
		})
		if err != nil {
			return err
		}
		return c.check(in, t.n)
	}}
}
