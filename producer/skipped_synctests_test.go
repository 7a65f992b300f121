//go:build synctests

package producer_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/producer"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// SkipFailed is about records: what an end of the run or of the client leaves unsent is not
// skipped, and no offset goes on over it, whichever stage writes, and however it ends.
func TestSkipFailedSkipsNothingUnsent(t *testing.T) {
	type (
		values   = stream.Source[*consumed]
		withNone = stream.Pair[envelope.Envelope[string, string, envelope.None], envelope.Committable]
	)
	stages := map[string]func(values, settings.Producer[string, string], ...producer.Option) stream.Graph{
		"plain": func(src values, ps settings.Producer[string, string], opts ...producer.Option) stream.Graph {
			return stream.Map(src, func(m *consumed) *record { return envelope.New("a", "k", m.Value) }).
				To(producer.PlainSink(ps, opts...))
		},
		"committable": func(src values, ps settings.Producer[string, string], opts ...producer.Option) stream.Graph {
			return stream.Map(src, func(m *consumed) offsetEnv { return kinds[committable](m, "a", m) }).
				To(producer.CommittableSink(ps, settings.NewCommitter(), opts...))
		},
		"with context": func(src values, ps settings.Producer[string, string], opts ...producer.Option) stream.Graph {
			return stream.Map(src, func(m *consumed) withNone {
				return withNone{Value: kinds(m, "a", envelope.None{}), Context: m}
			}).To(producer.CommittableSinkWithOffsetContext(ps, settings.NewCommitter(), opts...))
		},
		"flow": func(src values, ps settings.Producer[string, string], opts ...producer.Option) stream.Graph {
			envs := stream.Map(src, func(m *consumed) offsetEnv { return kinds[committable](m, "a", m) })
			results := stream.Via(envs, producer.FlexiFlow[committable](ps, opts...))
			return stream.Map(results, func(r envelope.Results[string, string, committable]) committable { return r.Pass() }).
				To(consumer.CommitterSink(settings.NewCommitter()))
		},
	}
	endings := map[string]func(*stream.Control, *producer.Client){
		"hard stop":      func(ctl *stream.Control, _ *producer.Client) { ctl.Stop() },
		"drain time-out": func(ctl *stream.Control, _ *producer.Client) { _ = ctl.Drain(context.Background()) },
		"client closed":  func(_ *stream.Control, cl *producer.Client) { _ = cl.Close(canceled()) },
	}
	for stage, graph := range stages {
		for name, end := range endings {
			for _, shared := range []bool{false, true} {
				if name == "client closed" && !shared {
					continue
				}
				t.Run(stage+"/"+name+map[bool]string{true: "/shared"}[shared], func(t *testing.T) {
					grouptest.OnBroker(t, func(t *testing.T, k *kafkatest.Broker) {
						src := trackedNumbers(1, 300)
						cl, err := producer.NewClient(sets(k))
						require.NoError(t, err)
						defer func() { _ = cl.Close(canceled()) }()
						ps, opts := sets(k), []producer.Option{producer.SkipFailed()}
						if shared {
							ps, opts = bare(k), append(opts, producer.On(cl))
						}
						k.Kill()
						ctl, err := graph(src.Source(), ps, opts...).Start(t.Context(), stream.CloseTimeout(time.Second), stream.DrainTimeout(3*time.Second))
						require.NoError(t, err)
						synctest.Wait()
						end(ctl, cl)
						<-ctl.Done()
						require.Error(t, ctl.Err())
						require.Zero(t, src.Committed(0), "nothing was written")
					}, kafkatest.Topics(1, "a"))
				})
			}
		}
	}
}

func canceled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}
