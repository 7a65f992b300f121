//go:build synctests

package consumer_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// The last line that a consumer logs says what the run has given back and given up, as the run's
// snapshot does.
func TestEndedSaysWhatWasGivenBackAndUp(t *testing.T) {
	type end struct {
		name          string
		takes         time.Duration // a call
		stops, fails  bool
		opts          []stream.RunOption
		back, givenUp bool
	}
	for _, e := range []end{
		{name: "a drain", takes: 100 * time.Millisecond, back: true},
		{name: "a drain that takes too long", takes: 100 * time.Millisecond, fails: true, opts: []stream.RunOption{stream.DrainTimeout(2 * time.Second)}, back: true, givenUp: true},
		{name: "a stop", takes: 100 * time.Millisecond, stops: true, givenUp: true},
		{name: "nothing to give back", takes: 0},
	} {
		for _, partitioned := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, partitioned %v", e.name, partitioned), func(t *testing.T) {
				kafkatest.Virtual(t, func(t *testing.T, k *kafkatest.Broker) {
					d := newDesk(t, k, 1000)
					c := d.clerk()
					call := func(ctx context.Context, m deskMessage) (envelope.Committable, error) {
						c.note(m)
						if err := idle(ctx, e.takes); err != nil || !e.fails {
							return m.Offset, err
						}
						return nil, errWork
					}
					commit := func(src stream.Source[deskMessage]) stream.Graph {
						return stream.MapAsync(src, 4, call, stream.OnError(stream.Retry(stream.Backoff{}))).To(consumer.CommitterSink(settings.NewCommitter()))
					}
					graph := commit(c.handle.CommittableSource())
					if partitioned {
						graph = stream.Each(c.handle.CommittablePartitionedSource(), 0, func(_ consumer.TopicPartition, s stream.Source[deskMessage]) stream.Graph { return commit(s) })
					}
					c.run(graph, e.opts...)
					d.await("work", func() bool { return len(c.offsetsOf(0))+len(c.offsetsOf(1)) > 3 })
					if e.takes == 0 {
						d.awaitCommitted(0, 1000)
						d.awaitCommitted(1, 1000)
					}
					pass(time.Second)
					if e.stops {
						c.ctl.Stop()
					} else {
						go func() { _ = c.ctl.Drain(context.WithoutCancel(t.Context())) }()
					}
					<-c.ctl.Done()
					shot := c.ctl.Snapshot()
					givenUp := 0
					for _, g := range shot.GivenUp {
						givenUp += g.Records
					}
					require.Equal(t, e.back, shot.GivenBack > 0, "%d", shot.GivenBack)
					require.Equal(t, e.givenUp, givenUp > 0, "%d", givenUp)
					require.Contains(t, d.log.String(), "a consumer has ended")
					for _, line := range strings.Split(d.log.String(), "\n") {
						if strings.Contains(line, "a consumer has ended") {
							require.Contains(t, line, fmt.Sprintf(" given_back=%d given_up=%d", shot.GivenBack, givenUp))
							require.Regexp(t, ` why="?(drained|vicuna: the stream was stopped|vicuna: the drain did not finish)`, line)
						}
					}
				})
			})
		}
	}
}

// An end that comes before what is at work has been finished counts it as given up, in the error,
// in the snapshot and in the log, with the stage: whether its calls heed their context or not, and
// whatever is asked to end.
func TestWhatIsAtWorkIsCountedAsGivenUp(t *testing.T) {
	const atOnce = 4
	for _, heeds := range []bool{false, true} {
		for _, partitioned := range []bool{false, true} {
			for _, stops := range []bool{false, true} {
				t.Run(fmt.Sprintf("heeds its context %v, partitioned %v, stops %v", heeds, partitioned, stops), func(t *testing.T) {
					kafkatest.Virtual(t, func(t *testing.T, k *kafkatest.Broker) {
						d := newDesk(t, k, 1000)
						c := d.clerk()
						var begun atomic.Int64
						call := func(ctx context.Context, m deskMessage) (envelope.Committable, error) {
							if begun.Add(1) > atOnce {
								return m.Offset, errors.New("nothing begins any more")
							}
							if heeds {
								return m.Offset, idle(ctx, time.Hour)
							}
							// a little longer than the run waits
							<-time.After(time.Minute + 2*time.Second)
							return m.Offset, nil
						}
						commit := func(src stream.Source[deskMessage]) stream.Graph {
							return stream.MapAsync(src, atOnce, call).Named("pay").To(consumer.CommitterSink(settings.NewCommitter()))
						}
						graph := commit(c.handle.CommittableSource())
						if partitioned {
							graph = stream.Each(c.handle.CommittablePartitionedSource(), 1, func(_ consumer.TopicPartition, s stream.Source[deskMessage]) stream.Graph { return commit(s) })
						}
						c.run(graph, stream.DrainTimeout(time.Second))
						d.await("work", func() bool { return begun.Load() == atOnce })
						pass(time.Minute)
						if stops {
							c.ctl.Stop()
						} else {
							go func() { _ = c.ctl.Drain(context.WithoutCancel(t.Context())) }()
						}
						<-c.ctl.Done()
						var e *stream.GivenUpError
						require.ErrorAs(t, c.ctl.Err(), &e)
						for _, all := range [][]stream.GivenUp{e.Records, c.ctl.Snapshot().GivenUp} {
							n := 0
							for _, g := range all {
								require.Equal(t, "pay", g.Stage)
								require.Equal(t, "desk", g.Topic)
								require.Zero(t, g.Offset)
								n += g.Records
							}
							require.Equal(t, atOnce, n)
						}
						require.Contains(t, d.log.String(), fmt.Sprintf(" given_up=%d", atOnce))
					})
				})
			}
		}
	}
}

// So does a revoke whose time is over, in a run that goes on: what is at work of its partitions is
// counted, and what user code has taken over and not answered is not.
func TestWhatARevokeGivesUpIsCounted(t *testing.T) {
	const atOnce = 4
	for _, kind := range groupKinds {
		t.Run(kind.name, func(t *testing.T) {
			kafkatest.Virtual(t, func(t *testing.T, k *kafkatest.Broker) {
				d := newDesk(t, k, 1000)
				first := d.clerk(append(kind.opts(0), settings.RevokeTimeout(time.Second))...)
				var work working
				first.run(stream.MapAsync(first.handle.CommittableSource(), atOnce, func(ctx context.Context, m deskMessage) (envelope.Committable, error) {
					work.add(m.Partition())
					defer work.done(m.Partition())
					return m.Offset, idle(ctx, time.Hour)
				}).Named("pay").To(consumer.CommitterSink(settings.NewCommitter())))
				d.await("work", func() bool { return work.sum() == atOnce })
				had := work.of()
				second := d.clerk(kind.opts(1)...)
				second.run(second.copies(nil))
				d.await("a partition", func() bool { return len(second.has()) > 0 })
				want := map[int32]int{}
				for p, n := range had {
					if kind.name == "eager" || slices.Contains(second.has(), p) {
						want[p] = n
					}
				}
				got := map[int32]int{}
				for _, g := range first.ctl.Snapshot().GivenUp {
					require.Equal(t, "pay", g.Stage)
					got[g.Partition] += g.Records
				}
				require.Equal(t, want, got)
				first.ctl.Stop()
				second.drain()
				<-first.ctl.Done()
			}, quickBroker)
		})
	}
}

// working counts the calls for each partition.
type working struct {
	mu    sync.Mutex
	calls map[int32]int
}

func (w *working) add(p int32) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.calls == nil {
		w.calls = map[int32]int{}
	}
	w.calls[p]++
}

func (w *working) done(p int32) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.calls[p]--; w.calls[p] == 0 {
		delete(w.calls, p)
	}
}

func (w *working) of() map[int32]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.calls)
}

func (w *working) sum() (n int) {
	for _, c := range w.of() {
		n += c
	}
	return n
}
