package worker

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/integration/verify"
	"github.com/vicuna-go/vicuna/producer"
	"github.com/vicuna-go/vicuna/serde"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

type (
	message = consumer.CommittableMessage[string, []byte]
	outputs = envelope.Envelope[string, []byte, envelope.Committable]
)

// drainTimeout bounds a clean stop. It is as long as a test waits for one, about.
const drainTimeout = 20 * time.Second

// copyRecords runs until the context ends and what is in flight is finished.
func copyRecords(ctx context.Context, s Settings, p *pace, log *slog.Logger) error {
	cs, ps, err := s.clients(log)
	if err != nil {
		return err
	}
	if s.Service != nil {
		return serveOrders(ctx, s, p, cs, ps, log)
	}
	if s.CommitBeforeProduce {
		return commitBeforeProduce(ctx, s, p, cs, ps)
	}
	paced := stream.TryMap(source(s, cs, log), p.admit)
	return stream.MapAsync(paced, s.parallel(), s.maker(p)).To(producer.CommittableSink(ps, s.committer())).Run(ctx, stream.DrainTimeout(drainTimeout))
}

func (s Settings) clients(log *slog.Logger) (cs settings.Consumer[string, []byte], ps settings.Producer[string, []byte], err error) {
	protocol, err := s.Protocol.setting()
	if err != nil {
		return cs, ps, err
	}
	opts := []settings.ConsumerOption{
		settings.Bootstrap(s.Addrs...), settings.ClientID(s.Instance), settings.Logger(log), settings.Group(s.Group), settings.Protocol(protocol),
	}
	if s.Protocol == Static {
		opts = append(opts, settings.InstanceID(s.Instance))
	}
	if s.Session > 0 && s.Protocol != KIP848 {
		opts = append(opts, settings.SessionTimeout(s.Session), settings.HeartbeatInterval(s.Session/6))
	}
	cs = settings.NewConsumer(serde.String(), serde.Bytes(), opts...)
	ps = settings.NewProducer(serde.String(), serde.Bytes(), settings.Bootstrap(s.Addrs...), settings.ClientID(s.Instance), settings.Logger(log))
	if s.Linger > 0 {
		ps = ps.With(settings.Linger(s.Linger))
	}
	return cs, ps, nil
}

func (s Settings) committer() settings.Committer {
	if s.CommitEvery > 0 {
		return settings.NewCommitter(settings.MaxInterval(s.CommitEvery))
	}
	return settings.NewCommitter()
}

func (s Settings) parallel() int {
	if s.Parallel > 0 {
		return s.Parallel
	}
	return 16
}

func source(s Settings, cs settings.Consumer[string, []byte], log *slog.Logger, more ...consumer.Option) stream.Source[*message] {
	opts := append(more, consumer.Events(func(e consumer.Event) {
		log.Info("rebalance", "event", e.Kind, "partitions", e.Partitions)
	}))
	if s.Recycle {
		opts = append(opts, consumer.Recycle())
	}
	return consumer.New(cs, consumer.Topics(s.Input), opts...).CommittableSource()
}

// maker is outputs as a stage.
func (s Settings) maker(p *pace) func(context.Context, *message) (outputs, error) {
	return func(ctx context.Context, m *message) (outputs, error) { return s.outputs(ctx, p, m) }
}

// outputs makes what the record asks for: one envelope that carries its offset.
func (s Settings) outputs(ctx context.Context, p *pace, m *message) (outputs, error) {
	in, err := verify.Decode(m.Value)
	if err != nil {
		return nil, err
	}
	if s.Work > 0 {
		if err := sleep(ctx, p.hurry, rand.N(s.Work)); err != nil {
			return nil, err
		}
	}
	src := verify.Position{Topic: m.Topic(), Partition: m.Partition(), Offset: m.Record.Offset()}
	recs := make([]envelope.Record[string, []byte], in.Fan.N)
	for i := range recs {
		recs[i] = *envelope.New(s.Outputs[i%len(s.Outputs)], m.Key, in.Output(src, s.Attempt, i).Encode())
	}
	switch len(recs) {
	case 0:
		return envelope.PassThrough[string, []byte](m.Offset), nil
	case 1:
		return envelope.Single(recs[0], m.Offset), nil
	default:
		return envelope.Multi(recs, m.Offset), nil
	}
}
