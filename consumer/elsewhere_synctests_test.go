//go:build synctests

package consumer_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// commitsElsewhere are the ways in which a record is done that no stage of its graph commits. Each
// returns what ends the graph, and what the user does with n records that are to be done.
var commitsElsewhere = map[string]func(w *grouptest.World) (endOf, func(n int)){
	"in the function": func(w *grouptest.World) (endOf, func(int)) {
		turns := make(chan struct{}, 1000)
		end := stream.ForEach(func(ctx context.Context, m *strMessage) error {
			select {
			case <-turns:
				m.Offset.Commit()
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		})
		return func(src stream.Source[*strMessage]) stream.Graph { return src.To(end) }, func(n int) {
			for range n {
				turns <- struct{}{}
			}
		}
	},
	"behind a channel": func(w *grouptest.World) (endOf, func(int)) {
		c := make(chan *strMessage)
		return func(src stream.Source[*strMessage]) stream.Graph { return src.To(stream.ToChan(c)) }, func(n int) {
			for range n {
				(<-c).Offset.Commit()
			}
		}
	},
	"gathered": func(w *grouptest.World) (endOf, func(int)) {
		var mu sync.Mutex
		var offsets []envelope.Committable
		end := stream.ForEachManual(func(_ context.Context, m *strMessage) error {
			mu.Lock()
			defer mu.Unlock()
			offsets = append(offsets, m.Offset)
			return nil
		})
		return func(src stream.Source[*strMessage]) stream.Graph { return src.To(end) }, func(n int) {
			w.Pass(time.Second)
			mu.Lock()
			defer mu.Unlock()
			for _, o := range offsets[:n] {
				o.Commit()
			}
			offsets = offsets[n:]
		}
	},
	"in another graph": func(w *grouptest.World) (endOf, func(int)) {
		c, offsets := make(chan *strMessage), make(chan envelope.Committable)
		w.Start(stream.FromChan(offsets).To(consumer.CommitterSink(settings.NewCommitter(settings.MaxInterval(time.Hour)))))
		return func(src stream.Source[*strMessage]) stream.Graph { return src.To(stream.ToChan(c)) }, func(n int) {
			for range n {
				offsets <- (<-c).Offset
			}
		}
	},
}

// Where commits come from elsewhere the consumer commits as with a Committer: at intervals, after
// a batch, when the partition is taken away, and at the end.
func TestCommitsElsewhere(t *testing.T) {
	for source, graph := range messageSources {
		for how, make := range commitsElsewhere {
			t.Run(source+", "+how, func(t *testing.T) {
				grouptest.Calmly(t, 1, func(t *testing.T, w *grouptest.World) {
					w.Fill(1, 0, 100)
					committed := func() int64 { return w.Committed(0) }
					start := func(opts ...settings.CommitterOption) (*stream.Control, func(int)) {
						end, do := make(w)
						// What user code holds and does not answer is given up at the end.
						ctl := w.Start(graph(consumer.New(w.Settings(settings.RevokeTimeout(time.Second)), consumer.Topics("in"), consumer.CommitsElsewhere(opts...)), end),
							stream.DrainTimeout(time.Second))
						return ctl, do
					}
					ctl, do := start()
					do(10)
					w.Pass(200 * time.Millisecond)
					require.EqualValues(t, 10, committed(), "at the interval, which is 100 ms")
					do(5)
					w.Pass(time.Second)
					_ = ctl.Drain(t.Context())
					require.EqualValues(t, 15, committed())

					ctl, do = start(settings.MaxInterval(time.Hour), settings.MaxBatch(10))
					do(10)
					if how != "in another graph" { // it counts its own
						w.Pass(time.Second)
						require.GreaterOrEqual(t, committed(), int64(24), "in the function the tenth is done after its call of Commit")
					}
					do(3)
					w.Pass(time.Second)
					require.Less(t, committed(), int64(28))
					_ = ctl.Drain(t.Context())
					require.EqualValues(t, 28, committed(), "at the end")
				})
			})
		}
	}
}

// A partition that is taken away is committed up to what the user has done.
func TestCommitsElsewhereAtARevoke(t *testing.T) {
	for how, make := range commitsElsewhere {
		t.Run(how, func(t *testing.T) {
			grouptest.Calmly(t, 2, func(t *testing.T, w *grouptest.World) {
				w.Fill(2, 0, 10)
				end, do := make(w)
				c := consumer.New(w.Settings(), consumer.Topics("in"), consumer.CommitsElsewhere(settings.MaxInterval(time.Hour)))
				ctl := w.Start(end(c.CommittableSource()))
				do(20)
				w.Pass(time.Second)
				other := &grouptest.Deliveries{}
				second := w.Start(w.Consumer().CommittableSource().To(other.Committing()))
				assignedTo(w, c, 1)
				w.Pass(time.Second)
				require.Zero(t, other.Count())
				w.Drain(ctl)
				w.Pass(10 * time.Second)
				require.Zero(t, other.Count())
				w.Drain(second)
			})
		})
	}
}

// A shorter interval that is asked for later counts from then on, and not after a longer one that
// has begun.
func TestShorterIntervalLater(t *testing.T) {
	grouptest.Calmly(t, 1, func(t *testing.T, w *grouptest.World) {
		w.Fill(1, 0, 20)
		c := make(chan *strMessage)
		reader := consumer.New(w.Settings(), consumer.Topics("in"), consumer.CommitsElsewhere(settings.MaxInterval(time.Hour)))
		w.Start(reader.CommittableSource().To(stream.ToChan(c)))
		for range 10 {
			(<-c).Offset.Commit()
		}
		w.Pass(time.Minute)
		require.EqualValues(t, -1, w.Committed(0))
		offsets := make(chan envelope.Committable)
		w.Start(stream.FromChan(offsets).To(consumer.CommitterSink(quickly())))
		offsets <- (<-c).Offset
		w.Pass(time.Second)
		require.EqualValues(t, 11, w.Committed(0))
	})
}
