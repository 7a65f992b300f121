package grouptest

import (
	"context"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/serde"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

type (
	// Consumer is a handle of the world.
	Consumer = consumer.Consumer[string, string]
	// Record is what it reads.
	Record = consumer.Record[string, string]
	// Message is a record with an offset that is committed.
	Message = consumer.CommittableMessage[string, string]
)

// Settings are those of a member: it moves fast, and logs into the world's log. Options come on
// top.
func (w *World) Settings(opts ...settings.ConsumerOption) settings.Consumer[string, string] {
	own := []settings.ConsumerOption{settings.Group(w.Group), settings.HeartbeatInterval(w.cfg.heartbeats)}
	if w.cfg.fetchWait > 0 {
		own = append(own, settings.FetchMaxWait(w.cfg.fetchWait))
	}
	return w.Loose(own...).With(w.cfg.members...).With(opts...)
}

// noMetrics: no test reads the client's own metrics, which each of many would gather and send.
var noMetrics = settings.ClientOptions(kgo.DisableClientMetrics())

// Loose are settings without a group, with everything else as it is by default.
func (w *World) Loose(opts ...settings.ConsumerOption) settings.Consumer[string, string] {
	own := []settings.ConsumerOption{w.Bootstrap(), w.Dialer(), w.Log.Option(), noMetrics}
	return settings.NewConsumer(serde.String(), serde.String(), own...).With(opts...)
}

// Producer are the settings of a producer.
func (w *World) Producer(opts ...settings.ProducerOption) settings.Producer[string, string] {
	own := []settings.ProducerOption{w.Bootstrap(), w.Dialer(), w.Log.Option(), noMetrics}
	return settings.NewProducer(serde.String(), serde.String(), own...).With(opts...)
}

// Consumer makes a handle that reads the topic on and on.
func (w *World) Consumer(opts ...settings.ConsumerOption) *Consumer { return w.New(opts) }

// ToEnd makes a handle that reads what is there.
func (w *World) ToEnd(opts ...settings.ConsumerOption) *Consumer {
	return w.New(opts, consumer.ToEnd())
}

// New makes a handle that reads the topic, with options of its own besides the world's.
func (w *World) New(opts []settings.ConsumerOption, more ...consumer.Option) *Consumer {
	return w.handle(w.Settings(opts...), more...)
}

func (w *World) handle(cs settings.Consumer[string, string], more ...consumer.Option) *Consumer {
	return consumer.New(cs, consumer.Topics(w.Topic), append(append([]consumer.Option(nil), w.Handle...), more...)...)
}

// Rest returns what a new member of the group gets. It commits nothing.
func (w *World) Rest() *Deliveries {
	w.t.Helper()
	got := &Deliveries{}
	require.NoError(w.t, w.ToEnd().PlainSource().To(got.Sink()).Run(context.Background()))
	return got
}

// OffsetOf is what committing stages take of a message.
func OffsetOf(m *Message) envelope.Committable { return m.Offset }

// Offsets is a stream of messages as one of offsets.
func Offsets(src stream.Source[*Message]) stream.Source[envelope.Committable] {
	return stream.Map(src, OffsetOf)
}

// Committing is a sink that commits each message for which do has returned.
func Committing(do func(context.Context, *Record) error, opts ...settings.CommitterOption) stream.Sink[*Message] {
	return stream.NewFlow(func(src stream.Source[*Message]) stream.Source[envelope.Committable] {
		return stream.TryMap(src, func(ctx context.Context, m *Message) (envelope.Committable, error) {
			return m.Offset, do(ctx, &m.Record)
		})
	}).To(consumer.CommitterSink(settings.NewCommitter(opts...)))
}
