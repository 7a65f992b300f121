//go:build synctests

package consumer_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/producer"
	"github.com/vicuna-go/vicuna/serde"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// Acknowledgements are withheld when a run ends: its outcome says so in sub-streams as in one
// graph, and speaks of user code where there is some alone. The run ends after its children, so
// that what it tells of their partitions is theirs no more.
func TestEndsWithOutcomesWithheld(t *testing.T) {
	for _, how := range []string{"stop", "drain"} {
		for _, each := range []bool{false, true} {
			for _, stuck := range []bool{false, true} {
				title := how + map[bool]string{true: ", sub-streams"}[each] + map[bool]string{true: ", and a call that does not return"}[stuck]
				t.Run(title, func(t *testing.T) {
					grouptest.Calmly(t, 2, func(t *testing.T, w *grouptest.World) {
						w.CreateTopic(t, "out", 1)
						w.Fill(2, 0, 10)
						release := w.HoldAcks("out")
						defer release()
						block := make(chan struct{})
						defer close(block)
						stopped := 0
						h := consumer.Handler{Stopped: func(_ context.Context, r *consumer.Restricted, ps []consumer.TopicPartition) error {
							for _, p := range ps {
								if _, ok := r.Position(p); ok {
									stopped++
								}
							}
							return nil
						}}
						c := consumer.New(w.Settings(), consumer.Topics("in"), consumer.OnRebalance(h))
						ps := settings.NewProducer(serde.String(), serde.String(), w.Bootstrap(), w.Dialer(), settings.Logger(slog.New(slog.DiscardHandler)))
						copying := func(s stream.Source[*strMessage]) stream.Graph {
							copied := stream.TryMap(s, func(_ context.Context, m *strMessage) (envelope.Envelope[string, string, envelope.Committable], error) {
								if stuck && m.Partition() == 1 && m.Record.Offset() == 5 {
									<-block
								}
								return envelope.Single(envelope.Record[string, string]{Topic: "out", Value: m.Value}, m.Offset), nil
							}).Named("lookup")
							return copied.To(producer.CommittableSink(ps, settings.NewCommitter()))
						}
						g := copying(c.CommittableSource())
						if each {
							g = stream.Each(c.CommittablePartitionedSource(), 0, func(_ consumer.TopicPartition, s stream.Source[*strMessage]) stream.Graph { return copying(s) })
						}
						ctl := w.Start(g)
						w.Pass(2 * time.Second)
						began := time.Now()
						want := stream.ErrStopped
						if how == "stop" {
							ctl.Stop()
						} else {
							want = stream.ErrDrainTimeout
							require.Error(t, ctl.Drain(context.Background()))
						}
						<-ctl.Done()
						require.Less(t, time.Since(began), stream.DefaultDrainTimeout+3*stream.DefaultCloseTimeout+10*time.Second)
						require.ErrorIs(t, ctl.Err(), want)
						var outcomes *producer.OutcomeError
						require.ErrorAs(t, ctl.Err(), &outcomes)
						var left *stream.StuckError
						if stuck {
							require.ErrorAs(t, ctl.Err(), &left)
							require.Contains(t, left.Error(), "lookup")
						} else {
							require.NotErrorAs(t, ctl.Err(), &left)
						}
						require.Equal(t, 2, stopped)
					})
				})
			}
		}
	}
}
