//go:build synctests

package producer_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/producer"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// outcomes returns what the error says of the records in flight, without why.
func outcomes(t *testing.T, err error) producer.OutcomeError {
	t.Helper()
	var o *producer.OutcomeError
	require.ErrorAs(t, err, &o)
	require.Equal(t, 1, countOutcomes(err), "told once: %v", err)
	return producer.OutcomeError{Undelivered: o.Undelivered, Failed: o.Failed, Unknown: o.Unknown}
}

func countOutcomes(err error) (n int) {
	switch e := err.(type) { //nolint:errorlint // it goes through the tree itself
	case *producer.OutcomeError:
		return 1
	case interface{ Unwrap() []error }:
		for _, err := range e.Unwrap() {
			n += countOutcomes(err)
		}
	case interface{ Unwrap() error }:
		return countOutcomes(e.Unwrap())
	}
	return n
}

// both runs a test for a stage with a client of its own and one on a shared client.
func both(t *testing.T, opts []settings.ProducerOption, test func(t *testing.T, k *kafkatest.Broker, ps settings.Producer[string, string], on ...producer.Option), broker ...kafkatest.Option) {
	t.Helper()
	bothOn(t, grouptest.OnBroker, opts, test, broker...)
}

// bothOn is both in memory, or on kafkatest.Virtual, where brokers can be restarted.
func bothOn(
	t *testing.T, world func(t *testing.T, fn func(t *testing.T, k *kafkatest.Broker), opts ...kafkatest.Option), opts []settings.ProducerOption,
	test func(t *testing.T, k *kafkatest.Broker, ps settings.Producer[string, string], on ...producer.Option), broker ...kafkatest.Option,
) {
	t.Helper()
	t.Run("own client", func(t *testing.T) {
		world(t, func(t *testing.T, k *kafkatest.Broker) { test(t, k, sets(k, opts...)) }, broker...)
	})
	t.Run("shared client", func(t *testing.T) {
		world(t, func(t *testing.T, k *kafkatest.Broker) {
			test(t, k, bare(k), producer.On(client(t, sets(k, opts...))))
		}, broker...)
	})
}

var errDownstream = errors.New("downstream fails")

// A fault while others are in flight: their outcomes are collected, and counted exactly.
func TestOutcomesBehindAFault(t *testing.T) {
	both(t, nil, func(t *testing.T, k *kafkatest.Broker, ps settings.Producer[string, string], on ...producer.Option) {
		apart(t, k, "fine", "bad", "held")
		k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "bad", Err: kerr.InvalidRecord, Count: -1})
		hold := k.HoldAcks("held")
		one := func(topic string) record { return *envelope.New(topic, "k", "v") }
		var recs []*record
		for topic, n := range map[string]int{"bad": 5, "held": 7, "fine": 11} {
			for range n {
				r := one(topic)
				recs = append(recs, &r)
			}
		}
		for name, sink := range map[string]stream.Sink[*record]{
			"plainSink": producer.PlainSink(ps, on...), "committableSink": committableSink(ps, on...),
			"committableSinkWithOffsetContext": committableSinkWithOffsetContext(ps, on...),
		} {
			at := time.Now()
			err := stream.FromSlice(recs).To(sink).Run(t.Context())
			require.Equal(t, stream.DefaultCloseTimeout, time.Since(at).Truncate(time.Second))
			requireStage(t, err, name)
			require.ErrorIs(t, err, kerr.InvalidRecord)
			require.Equal(t, producer.OutcomeError{Failed: 4, Unknown: 7}, outcomes(t, err))
		}

		// In a flow the results wait for their turn behind the one that failed, or is held: they
		// are acknowledged and nobody was told.
		envs := []env{
			// 2 acknowledged, 1 unknown
			envelope.Multi([]record{one("fine"), one("held"), one("fine")}, 0),
			envelope.Single(one("fine"), 1),
			envelope.PassThrough[string, string](2), // no record
			envelope.Multi([]record{one("fine"), one("fine"), one("fine"), one("fine"), one("fine")}, 3),
			envelope.Multi[string, string](nil, 4),
			// 1 acknowledged, 1 is the fault and 1 failed
			envelope.Multi([]record{one("fine"), one("bad"), one("bad")}, 5),
			envelope.Single(one("bad"), 6),
			envelope.Single(one("held"), 7),
		}
		got, err := stream.Collect(t.Context(), stream.Via(stream.FromSlice(envs), producer.FlexiFlow[int](ps, on...)))
		requireStage(t, err, "flexiFlow")
		require.ErrorIs(t, err, kerr.InvalidRecord)
		require.Empty(t, got)
		require.Equal(t, producer.OutcomeError{Undelivered: 2 + 1 + 5 + 1, Failed: 2, Unknown: 2}, outcomes(t, err))
		hold()
	}, kafkatest.Brokers(3), kafkatest.Topics(1, "fine", "bad", "held"))
}

// Another stage's fault.
func TestOutcomesBehindAFaultDownstream(t *testing.T) {
	both(t, nil, func(t *testing.T, k *kafkatest.Broker, ps settings.Producer[string, string], on ...producer.Option) {
		got := 0
		err := stream.Via(stream.FromSlice(singles(numbered("out", 1000))), producer.FlexiFlow[int](ps, on...)).To(stream.ForEach(func(context.Context, res) error {
			if got++; got > 100 {
				return errDownstream
			}
			return nil
		})).Run(t.Context())
		requireStage(t, err, "forEach")
		require.ErrorIs(t, err, errDownstream)
		require.Equal(t, producer.OutcomeError{Undelivered: 899}, outcomes(t, err))
		require.Len(t, kafkatest.ReadAll(t, k, "out"), 1000)
	}, kafkatest.Topics(3, "out"))
}

// What waits for outcomes at the end is bounded by the stage's close time-out, and by the run's.
func TestCloseTimeoutBoundsTheWait(t *testing.T) {
	for _, c := range []struct{ stage, run, want time.Duration }{{time.Second, 5 * time.Second, time.Second}, {time.Minute, 3 * time.Second, 3 * time.Second}} {
		both(t, []settings.ProducerOption{settings.CloseTimeout(c.stage)}, func(t *testing.T, k *kafkatest.Broker, ps settings.Producer[string, string], on ...producer.Option) {
			release := k.HoldAcks()
			defer release()
			ctl := grouptest.Start(t, stream.FromSlice(numbered("out", 100)).To(producer.PlainSink(ps, on...)), stream.CloseTimeout(c.run))
			rest()
			at := time.Now()
			ctl.Stop()
			<-ctl.Done()
			require.Equal(t, c.want, time.Since(at))
			require.ErrorIs(t, ctl.Err(), stream.ErrStopped)
			require.Equal(t, producer.OutcomeError{Unknown: 100}, outcomes(t, ctl.Err()))
		}, kafkatest.Topics(1, "out"))
	}
}

// A stop collects the outcomes that come in time.
func TestOutcomesThatComeInTime(t *testing.T) {
	both(t, nil, func(t *testing.T, k *kafkatest.Broker, ps settings.Producer[string, string], on ...producer.Option) {
		release := k.HoldAcks()
		ctl := grouptest.Start(t, stream.Via(stream.FromSlice(singles(numbered("out", 100))), producer.FlexiFlow[int](ps, on...)).To(stream.Ignore[res]()))
		rest()
		ctl.Stop()
		<-time.After(2 * time.Second)
		release()
		<-ctl.Done()
		require.Equal(t, producer.OutcomeError{Undelivered: 100}, outcomes(t, ctl.Err()))
	}, kafkatest.Topics(1, "out"))
}

// A drain waits for acknowledgements: it completes when they come, or ends at its time-out.
func TestDrainWaitsForAcknowledgements(t *testing.T) {
	both(t, []settings.ProducerOption{settings.Window(2000, unbounded)}, func(t *testing.T, k *kafkatest.Broker, ps settings.Producer[string, string], on ...producer.Option) {
		for _, g := range []stream.Graph{
			endless().To(producer.PlainSink(ps, on...)),
			endless().To(committableSink(ps, on...)),
			endless().To(committableSinkWithOffsetContext(ps, on...)),
			stream.Via(stream.Map(endless(), func(r *record) env { return envelope.Single(*r, 0) }), producer.FlexiFlow[int](ps, on...)).To(stream.Ignore[res]()),
		} {
			release := k.HoldAcks()
			ctl := grouptest.Start(t, g)
			rest()
			drained := make(chan error, 1)
			go func() { drained <- ctl.Drain(context.Background()) }()
			<-time.After(10 * time.Second)
			require.Empty(t, drained)
			release()
			require.NoError(t, <-drained)
			require.ErrorIs(t, ctl.Err(), stream.ErrDrained)

			release = k.HoldAcks()
			ctl = grouptest.Start(t, g)
			rest()
			at := time.Now()
			err := ctl.Drain(context.Background())
			require.ErrorIs(t, err, stream.ErrDrainTimeout)
			require.Equal(t, stream.DefaultDrainTimeout+stream.DefaultCloseTimeout, time.Since(at))
			require.Equal(t, producer.OutcomeError{Unknown: 2000}, outcomes(t, err))
			release()
			rest()
		}
	}, kafkatest.Topics(1, "out"))
}

func endless() stream.Source[*record] {
	r := envelope.New("out", "k", "v")
	return stream.FromFunc(func(_ context.Context, emit func(*record) bool) error {
		for emit(r) {
		}
		return nil
	})
}

var errCause = errors.New("the reason")

// The context ends before the run, while it waits for a broker, in flight, at a full window and
// after the last record.
func TestContextEndsAnywhere(t *testing.T) {
	type stage struct {
		name string
		sink func(ps settings.Producer[string, string], on ...producer.Option) stream.Sink[*record]
	}
	for _, s := range []stage{
		{"PlainSink", func(ps settings.Producer[string, string], on ...producer.Option) stream.Sink[*record] {
			return producer.PlainSink(ps, on...)
		}},
		{"CommittableSink", committableSink},
		{"CommittableSinkWithOffsetContext", committableSinkWithOffsetContext},
		{"FlexiFlow", func(ps settings.Producer[string, string], on ...producer.Option) stream.Sink[*record] {
			return stream.NewFlow(func(src stream.Source[*record]) stream.Source[res] {
				return stream.Via(stream.Map(src, func(r *record) env { return envelope.Single(*r, 0) }), producer.FlexiFlow[int](ps, on...))
			}).To(stream.Ignore[res]())
		}},
	} {
		t.Run(s.name, func(t *testing.T) {
			both(t, []settings.ProducerOption{settings.Window(50, unbounded)}, func(t *testing.T, k *kafkatest.Broker, ps settings.Producer[string, string], on ...producer.Option) {
				run := func(src stream.Source[*record], before, after func()) error {
					ctx, cancel := context.WithCancelCause(context.Background())
					defer cancel(nil)
					if before != nil {
						before()
						cancel(errCause)
					}
					ctl, err := src.To(s.sink(ps, on...)).Start(ctx)
					require.NoError(t, err)
					rest()
					cancel(errCause)
					if after != nil {
						rest()
						after()
					}
					<-ctl.Done()
					return ctl.Err()
				}
				count := func() int { return len(kafkatest.ReadAll(t, k, "out")) }
				// Before it has begun: nothing is sent.
				err := run(stream.FromSlice(numbered("out", 10)), func() {}, nil)
				require.ErrorIs(t, err, stream.ErrDrained)
				require.ErrorIs(t, err, errCause)
				require.Zero(t, count())
				// At a window that is full: what was pulled is sent.
				release := k.HoldAcks()
				err = run(endless(), nil, func() { release() })
				require.ErrorIs(t, err, stream.ErrDrained)
				require.ErrorIs(t, err, errCause)
				sent := count()
				require.Greater(t, sent, 50)
				// After the last record, whose acknowledgement is on its way: the source had
				// ended, so there is nothing to tell.
				release = k.HoldAcks()
				require.NoError(t, run(stream.FromSlice(numbered("out", 10)), nil, func() { release() }))
				require.Equal(t, sent+10, count())
				// While no broker answers: it comes back in time, or does not.
				allow := k.Refuse()
				require.NoError(t, run(stream.FromSlice(numbered("out", 10)), nil, func() { allow() }))
				require.Equal(t, sent+20, count())
				allow = k.Refuse()
				err = run(stream.FromSlice(numbered("out", 10)), nil, nil)
				require.ErrorIs(t, err, stream.ErrDrainTimeout)
				require.ErrorIs(t, err, errCause)
				require.Equal(t, producer.OutcomeError{Unknown: 10}, outcomes(t, err))
				allow()
			}, kafkatest.Topics(1, "out"))
		})
	}
}

// The records of a failed stream are redelivered by its source, not by the client; whoever skips
// goes on.
func TestSkippedFailuresBesideOthers(t *testing.T) {
	both(t, []settings.ProducerOption{settings.Linger(0)}, func(t *testing.T, k *kafkatest.Broker, ps settings.Producer[string, string], on ...producer.Option) {
		k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "bad", Err: kerr.InvalidRecord, Count: -1})
		var envs []env
		for i, r := range numbered("fine", 300) {
			if i%3 == 0 {
				r.Topic = "bad"
			}
			envs = append(envs, envelope.Single(*r, i))
		}
		results, err := stream.Collect(t.Context(), stream.Via(stream.FromSlice(envs), producer.FlexiFlow[int](ps, append(on, producer.SkipFailed())...)))
		require.NoError(t, err)
		require.Len(t, results, 300)
		for i, r := range results {
			require.Equal(t, i, r.Pass())
			if i%3 == 0 {
				require.ErrorIs(t, r.Failed(), kerr.InvalidRecord)
			} else {
				require.NoError(t, r.Failed())
			}
		}
	}, kafkatest.Topics(2, "fine", "bad"))
}
