//go:build synctests

package consumer_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
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

// An end that comes before what is at work has been finished counts it as given up, in the error, in the snapshot
// and in the log, with the stage: whether its calls heed their context or not, and whatever is asked to end.
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
							<-time.After(time.Minute + 2*time.Second) // a little longer than the run waits
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
