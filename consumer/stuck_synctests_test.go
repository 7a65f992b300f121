//go:build synctests

package consumer_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// A backlog is nothing stuck: records wait long for their turn in a stage that takes many in, and
// all goes on.
func TestBacklogIsNotStuck(t *testing.T) {
	for name, to := range map[string]func(stream.Source[*strMessage]) stream.Source[envelope.Committable]{
		"ordered": func(s stream.Source[*strMessage]) stream.Source[envelope.Committable] {
			return stream.MapAsync(s, 4, aSecond)
		},
		"unordered": func(s stream.Source[*strMessage]) stream.Source[envelope.Committable] {
			return stream.MapAsyncUnordered(s, 4, aSecond)
		},
		"in place": func(s stream.Source[*strMessage]) stream.Source[envelope.Committable] {
			return stream.TryMap(s, aSecond)
		},
	} {
		t.Run(name, func(t *testing.T) {
			grouptest.Calmly(t, 4, func(t *testing.T, w *grouptest.World) {
				w.Fill(4, 0, 200)
				ctl := w.Start(to(w.ToEnd(settings.StuckAfter(10 * time.Second)).CommittableSource()).To(consumer.CommitterSink(settings.NewCommitter())))
				<-ctl.Done()
				require.NoError(t, ctl.Err())
				require.Empty(t, w.Log.Lines("record stuck"))
			})
		})
	}
}

func aSecond(_ context.Context, m *strMessage) (envelope.Committable, error) {
	<-time.After(time.Second)
	return m.Offset, nil
}

// A record that is tried again for ever is told of by itself, with why it fails; what waits for it
// is not, and the snapshot has the same. When it has gone on, nothing is told of it.
func TestRecordThatIsTriedAgainIsTold(t *testing.T) {
	type source = stream.Source[envelope.Committable]
	retry := stream.OnError(stream.Retry(stream.Backoff{First: 100 * time.Millisecond, Max: time.Second}))
	for name, lookup := range map[string]func(stream.Source[*strMessage], func(context.Context, *strMessage) (envelope.Committable, error)) source{
		"ordered": func(s stream.Source[*strMessage], f func(context.Context, *strMessage) (envelope.Committable, error)) source {
			return stream.MapAsync(s, 4, f, retry)
		},
		"unordered": func(s stream.Source[*strMessage], f func(context.Context, *strMessage) (envelope.Committable, error)) source {
			return stream.MapAsyncUnordered(s, 4, f, retry)
		},
		"in place": func(s stream.Source[*strMessage], f func(context.Context, *strMessage) (envelope.Committable, error)) source {
			return stream.TryMap(s, f, retry)
		},
		"in a batch": func(s stream.Source[*strMessage], f func(context.Context, *strMessage) (envelope.Committable, error)) source {
			return stream.FlatMap(stream.TryMap(stream.Batch(s, 7, time.Second), func(ctx context.Context, ms []*strMessage) ([]envelope.Committable, error) {
				offsets := make([]envelope.Committable, len(ms))
				for i, m := range ms {
					offset, err := f(ctx, m)
					if err != nil {
						return nil, err
					}
					offsets[i] = offset
				}
				return offsets, nil
			}, retry).Named("lookup"), func(offsets []envelope.Committable) iter.Seq[envelope.Committable] { return slices.Values(offsets) }).Named("unbatch")
		},
	} {
		t.Run(name, func(t *testing.T) {
			grouptest.Calmly(t, 2, func(t *testing.T, w *grouptest.World) {
				w.Fill(2, 0, 2000)
				healed := make(chan struct{})
				named := lookup(w.Consumer(settings.StuckAfter(10*time.Second)).CommittableSource(), func(_ context.Context, m *strMessage) (envelope.Committable, error) {
					select {
					case <-healed:
					default:
						if m.Record.Partition() == 1 && m.Record.Offset() == 3 {
							return nil, errors.New("the dependency is away")
						}
					}
					return m.Offset, nil
				})
				if name != "in a batch" {
					named = named.Named("lookup")
				}
				ctl := w.Start(named.To(consumer.CommitterSink(settings.NewCommitter())))
				w.Pass(25 * time.Second)
				stuck := w.Log.Lines("record stuck")
				require.Len(t, stuck, 2, "at 10 s and at 20 s: %v", stuck)
				for _, line := range stuck {
					require.Regexp(t, `in\[1\]@\d in stage lookup for \d`, line)
					require.Regexp(t, `, which has failed on it \d+ times and tries again: the dependency is away; no later`, line)
					require.Regexp(t, `attempts=\d+ error="the dependency is away"`, line)
				}
				waiting := 0
				for _, s := range ctl.Snapshot().Stages {
					waiting += s.Waiting
					if s.Name == "lookup" {
						require.EqualError(t, s.LastError, "the dependency is away")
					}
				}
				require.Equal(t, 1, waiting)
				close(healed)
				w.Pass(25 * time.Second)
				require.Len(t, w.Log.Lines("record stuck"), 2, fmt.Sprint(w.Log.Lines("record stuck")))
				require.EqualValues(t, 2000, w.Committed(1))
				for _, s := range ctl.Snapshot().Stages {
					require.Zero(t, s.Waiting)
					require.NoError(t, s.LastError)
				}
				w.Drain(ctl)
			})
		})
	}
}

// A record that is tried again does not hide another of the same stream that is stuck elsewhere.
func TestStuckBesideWhatIsTriedAgain(t *testing.T) {
	grouptest.Calmly(t, 2, func(t *testing.T, w *grouptest.World) {
		w.Fill(2, 0, 10)
		block := make(chan struct{})
		retry := stream.OnError(stream.Retry(stream.Backoff{First: 100 * time.Millisecond, Max: time.Second}))
		tried := stream.MapAsyncUnordered(w.Consumer(settings.StuckAfter(10*time.Second)).CommittableSource(), 4, func(_ context.Context, m *strMessage) (*strMessage, error) {
			if m.Record.Partition() == 1 && m.Record.Offset() == 0 {
				return nil, errors.New("the dependency is away")
			}
			return m, nil
		}, retry).Named("lookup").Async()
		written := stream.TryMap(tried, func(_ context.Context, m *strMessage) (envelope.Committable, error) {
			if m.Record.Partition() == 0 && m.Record.Offset() == 5 {
				<-block
			}
			return m.Offset, nil
		}).Named("write")
		ctl := w.Start(written.To(consumer.CommitterSink(settings.NewCommitter())), stream.DrainTimeout(time.Second), stream.CloseTimeout(time.Second))
		w.Pass(18 * time.Second)
		stuck := fmt.Sprint(w.Log.Lines("record stuck"))
		require.Contains(t, stuck, "in[1]@0 in stage lookup for")
		require.Regexp(t, `in\[0\]@5 in stage \[write`, stuck)
		close(block)
		ctl.Stop()
		<-ctl.Done()
	})
}
