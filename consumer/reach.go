package consumer

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/internal/fault"
	"github.com/vicuna-go/vicuna/internal/kclient"
	"github.com/vicuna-go/vicuna/internal/lookup"
)

// Reach asks whether what the handle reads can be reached: a broker; each topic, with a leader of
// each partition; and, where offsets or members are kept in a group, its coordinator. It returns
// nil, or what stands in the way: an [*UnreachableError] with the addresses, a [*FetchError] with
// the topic, a [*GroupError], the broker's own error where it refuses the login; or ctx's cause. It
// uses a client of its own, whether there is a run or not, joins no group, and does not try again:
// a run that is started does, for settings.StartTimeout. Any goroutine may call it.
func (c *Consumer[K, V]) Reach(ctx context.Context) error {
	cfg := c.cs.ConsumerConfig
	if err := errors.Join(cfg.Err(), c.sub.check()); err != nil {
		return err
	}
	life, end := context.WithCancel(ctx)
	defer end()
	cl, err := kclient.NewReaderClient(cfg, kgo.WithContext(life))
	if err != nil {
		return err
	}
	defer cl.Close()
	err = c.reach(ctx, cl)
	if err != nil && ctx.Err() != nil {
		var u *UnreachableError
		if !errors.As(err, &u) { // whatever was under way has ended with it
			return context.Cause(ctx)
		}
	}
	return err
}

func (c *Consumer[K, V]) reach(ctx context.Context, cl *kgo.Client) error {
	if err := kclient.Reach(ctx, cl); err != nil {
		return err
	}
	ask := lookup.New(cl, c.cs.ConsumerConfig)
	there, err := ask.Partitions(ctx, c.sub.s.Names(), func(string, kadm.TopicID, int32) {})
	if err != nil && !(c.sub.s.Manual && fault.UnknownTopic(err)) {
		return err
	}
	ps := c.sub.s.Partitions
	if !c.sub.s.Manual {
		ps = there
	}
	if _, err := ask.End(ctx, ps); err != nil { // each leader answers for its own
		return err
	}
	if ask.Group() == "" {
		return nil
	}
	return ask.Coordinator(ctx)
}
