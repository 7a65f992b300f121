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
	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// commitsElsewhere are the ways in which a record is done that no stage of its graph commits. Each
// returns what ends the graph, and what the user does with n records that are to be done.
var commitsElsewhere = map[string]func(t *testing.T) (endOf, func(n int)){
	"in the function": func(*testing.T) (endOf, func(int)) {
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
	"behind a channel": func(*testing.T) (endOf, func(int)) {
		c := make(chan *strMessage)
		return func(src stream.Source[*strMessage]) stream.Graph { return src.To(stream.ToChan(c)) }, func(n int) {
			for range n {
				(<-c).Offset.Commit()
			}
		}
	},
	"gathered": func(*testing.T) (endOf, func(int)) {
		var mu sync.Mutex
		var offsets []envelope.Committable
		end := stream.ForEachManual(func(_ context.Context, m *strMessage) error {
			mu.Lock()
			defer mu.Unlock()
			offsets = append(offsets, m.Offset)
			return nil
		})
		return func(src stream.Source[*strMessage]) stream.Graph { return src.To(end) }, func(n int) {
			pass(time.Second)
			mu.Lock()
			defer mu.Unlock()
			for _, o := range offsets[:n] {
				o.Commit()
			}
			offsets = offsets[n:]
		}
	},
	"in another graph": func(t *testing.T) (endOf, func(int)) {
		c, offsets := make(chan *strMessage), make(chan envelope.Committable)
		begun(t, stream.FromChan(offsets).To(consumer.CommitterSink(settings.NewCommitter(settings.MaxInterval(time.Hour)))))
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
				withTopic(t, 1, func(t *testing.T, k *kafkatest.Broker) {
					fillPartitions(t, k, "in", 1, 0, 100)
					committed := func() int64 { return kafkatest.CommittedOffset(t, k, readGroup, "in", 0) }
					start := func(opts ...settings.CommitterOption) (*stream.Control, func(int)) {
						end, do := make(t)
						// What user code holds and does not answer is given up at the end.
						ctl := begun(t, graph(consumer.New(readerOf(k, settings.RevokeTimeout(time.Second)), consumer.Topics("in"), consumer.CommitsElsewhere(opts...)), end),
							stream.DrainTimeout(time.Second))
						return ctl, do
					}
					ctl, do := start()
					do(10)
					pass(200 * time.Millisecond)
					require.EqualValues(t, 10, committed(), "at the interval, which is 100 ms")
					do(5)
					pass(time.Second)
					_ = ctl.Drain(t.Context())
					require.EqualValues(t, 15, committed())

					ctl, do = start(settings.MaxInterval(time.Hour), settings.MaxBatch(10))
					do(10)
					if how != "in another graph" { // it counts its own
						pass(time.Second)
						require.GreaterOrEqual(t, committed(), int64(24), "in the function the tenth is done after its call of Commit")
					}
					do(3)
					pass(time.Second)
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
			withTopic(t, 2, func(t *testing.T, k *kafkatest.Broker) {
				fillPartitions(t, k, "in", 2, 0, 10)
				end, do := make(t)
				c := consumer.New(readerOf(k), consumer.Topics("in"), consumer.CommitsElsewhere(settings.MaxInterval(time.Hour)))
				ctl := begun(t, end(c.CommittableSource()))
				do(20)
				pass(time.Second)
				other := newGathered()
				second := begun(t, consumer.New(readerOf(k), consumer.Topics("in")).CommittableSource().To(other.messages()))
				assignedTo(t, c, 1)
				pass(time.Second)
				require.Zero(t, other.count())
				drainedAll(t, ctl)
				pass(10 * time.Second)
				require.Zero(t, other.count())
				drainedAll(t, second)
			})
		})
	}
}

// A shorter interval that is asked for later counts from then on, and not after a longer one that
// has begun.
func TestShorterIntervalLater(t *testing.T) {
	withTopic(t, 1, func(t *testing.T, k *kafkatest.Broker) {
		fillPartitions(t, k, "in", 1, 0, 20)
		c := make(chan *strMessage)
		reader := consumer.New(readerOf(k), consumer.Topics("in"), consumer.CommitsElsewhere(settings.MaxInterval(time.Hour)))
		begun(t, reader.CommittableSource().To(stream.ToChan(c)))
		for range 10 {
			(<-c).Offset.Commit()
		}
		pass(time.Minute)
		require.EqualValues(t, -1, kafkatest.CommittedOffset(t, k, readGroup, "in", 0))
		offsets := make(chan envelope.Committable)
		begun(t, stream.FromChan(offsets).To(consumer.CommitterSink(quickly())))
		offsets <- (<-c).Offset
		pass(time.Second)
		require.EqualValues(t, 11, kafkatest.CommittedOffset(t, k, readGroup, "in", 0))
	})
}
