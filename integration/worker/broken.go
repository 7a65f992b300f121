package worker

import (
	"context"
	"errors"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/producer"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// queued is how many records are committed and not produced, at the most.
const queued = 1000

// commitBeforeProduce is the mistake that the verifier has to catch: records are handed to a queue,
// from which another stream produces them, and committed when they are in the queue.
func commitBeforeProduce(ctx context.Context, s Settings, p *pace, cs settings.Consumer[string, []byte], ps settings.Producer[string, []byte]) error {
	queue := make(chan *message, queued)
	ended := make(chan error, 1)
	go func() {
		ended <- stream.Via(stream.MapAsync(stream.TryMap(stream.FromChan(queue), p.admit), s.parallel(), s.maker(p)), producer.FlexiFlow[envelope.Committable](ps)).
			To(stream.Ignore[envelope.Results[string, []byte, envelope.Committable]]()).Run(context.Background())
	}()
	err := stream.Map(consumer.New(cs, consumer.Topics(s.Input)).CommittableSource(), func(m *message) outputs {
		queue <- m
		return envelope.PassThrough[string, []byte](m.Offset) // nothing more to do for it: commit
	}).To(producer.CommittableSink(ps, s.committer())).Run(ctx, stream.DrainTimeout(drainTimeout))
	close(queue)
	return errors.Join(err, <-ended)
}
