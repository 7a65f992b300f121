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
	"github.com/vicuna-go/vicuna/internal/grouptest"
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
				grouptest.Run(t, 2, func(t *testing.T, w *grouptest.World) {
					w.Write(0, 0, 1000)
					w.Write(1, 0, 1000)
					c := w.Member()
					call := func(ctx context.Context, m *strMessage) (envelope.Committable, error) {
						c.Took.Add(&m.Record)
						if err := grouptest.Idle(ctx, e.takes); err != nil || !e.fails {
							return m.Offset, err
						}
						return nil, errWork
					}
					commit := func(src stream.Source[*strMessage]) stream.Graph {
						return stream.MapAsync(src, 4, call, stream.OnError(stream.Retry(stream.Backoff{}))).To(consumer.CommitterSink(settings.NewCommitter()))
					}
					graph := commit(c.Handle.CommittableSource())
					if partitioned {
						graph = stream.Each(c.Handle.CommittablePartitionedSource(), 0, func(_ consumer.TopicPartition, s stream.Source[*strMessage]) stream.Graph { return commit(s) })
					}
					c.Start(graph, e.opts...)
					w.Until("work", func() bool { return len(c.Took.Offsets(0))+len(c.Took.Offsets(1)) > 3 })
					if e.takes == 0 {
						w.AwaitCommitted(0, 1000)
						w.AwaitCommitted(1, 1000)
					}
					w.Pass(time.Second)
					if e.stops {
						c.Run.Stop()
					} else {
						go func() { _ = c.Run.Drain(context.WithoutCancel(t.Context())) }()
					}
					<-c.Run.Done()
					shot := c.Run.Snapshot()
					givenUp := 0
					for _, g := range shot.GivenUp {
						givenUp += g.Records
					}
					require.Equal(t, e.back, shot.GivenBack > 0, "%d", shot.GivenBack)
					require.Equal(t, e.givenUp, givenUp > 0, "%d", givenUp)
					require.Contains(t, w.Log.String(), "a consumer has ended")
					for _, line := range strings.Split(w.Log.String(), "\n") {
						if strings.Contains(line, "a consumer has ended") {
							require.Contains(t, line, fmt.Sprintf(" given_back=%d given_up=%d", shot.GivenBack, givenUp))
							require.Contains(t, line, map[bool]string{false: "level=INFO", true: "level=WARN"}[e.givenUp && !e.stops])
							require.Regexp(t, ` why="?(drained|vicuna: the stream was stopped|vicuna: the drain did not finish)`, line)
						}
					}
				}, grouptest.Durable())
			})
		}
	}
}

// The last line of a run that has failed, or whose last commit has, is a warning; that of one that
// has completed is not.
func TestEndedSaysHowItWent(t *testing.T) {
	for name, c := range map[string]struct {
		do    func(context.Context, *strMessage) error
		level string
	}{
		"completed": {func(context.Context, *strMessage) error { return nil }, "level=INFO"},
		"failed":    {func(context.Context, *strMessage) error { return errWork }, "level=WARN"},
		"panicked":  {func(context.Context, *strMessage) error { panic("work") }, "level=WARN"},
	} {
		t.Run(name, func(t *testing.T) {
			grouptest.Run(t, 1, func(t *testing.T, w *grouptest.World) {
				w.Write(0, 0, 10)
				m := w.MemberWith(nil, consumer.ToEnd())
				m.Start(m.Works(c.do))
				<-m.Run.Done()
				line := w.Log.First("a consumer has ended")
				require.Contains(t, line, c.level)
				if name == "completed" {
					require.Contains(t, line, " fetched=10 committed=10 revoked=0 ")
				}
			})
		})
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
					grouptest.Run(t, 2, func(t *testing.T, w *grouptest.World) {
						w.Write(0, 0, 1000)
						w.Write(1, 0, 1000)
						c := w.Member()
						var begun atomic.Int64
						call := func(ctx context.Context, m *strMessage) (envelope.Committable, error) {
							if begun.Add(1) > atOnce {
								return m.Offset, errors.New("nothing begins any more")
							}
							if heeds {
								return m.Offset, grouptest.Idle(ctx, time.Hour)
							}
							// a little longer than the run waits
							<-time.After(time.Minute + 2*time.Second)
							return m.Offset, nil
						}
						commit := func(src stream.Source[*strMessage]) stream.Graph {
							return stream.MapAsync(src, atOnce, call).Named("pay").To(consumer.CommitterSink(settings.NewCommitter()))
						}
						graph := commit(c.Handle.CommittableSource())
						if partitioned {
							graph = stream.Each(c.Handle.CommittablePartitionedSource(), 1, func(_ consumer.TopicPartition, s stream.Source[*strMessage]) stream.Graph { return commit(s) })
						}
						c.Start(graph, stream.DrainTimeout(time.Second))
						w.Until("work", func() bool { return begun.Load() == atOnce })
						w.Pass(time.Minute)
						if stops {
							c.Run.Stop()
						} else {
							go func() { _ = c.Run.Drain(context.WithoutCancel(t.Context())) }()
						}
						<-c.Run.Done()
						var e *stream.GivenUpError
						require.ErrorAs(t, c.Run.Err(), &e)
						for _, all := range [][]stream.GivenUp{e.Records, c.Run.Snapshot().GivenUp} {
							n := 0
							for _, g := range all {
								require.Equal(t, "pay", g.Stage)
								require.Equal(t, "in", g.Topic)
								require.Zero(t, g.Offset)
								n += g.Records
							}
							require.Equal(t, atOnce, n)
						}
						require.Contains(t, w.Log.String(), fmt.Sprintf(" given_up=%d", atOnce))
					}, grouptest.Durable())
				})
			}
		}
	}
}

// So does a revoke whose time is over, in a run that goes on: what is at work of its partitions is
// counted, and what user code has taken over and not answered is not.
func TestWhatARevokeGivesUpIsCounted(t *testing.T) {
	const atOnce = 4
	for _, kind := range grouptest.Protocols {
		t.Run(kind.Name, func(t *testing.T) {
			grouptest.Run(t, 2, func(t *testing.T, w *grouptest.World) {
				w.Write(0, 0, 1000)
				w.Write(1, 0, 1000)
				first := w.Member(append(kind.Member(0), settings.RevokeTimeout(time.Second))...)
				var work working
				first.Start(stream.MapAsync(first.Handle.CommittableSource(), atOnce, func(ctx context.Context, m *strMessage) (envelope.Committable, error) {
					work.add(m.Partition())
					defer work.done(m.Partition())
					return m.Offset, grouptest.Idle(ctx, time.Hour)
				}).Named("pay").To(consumer.CommitterSink(settings.NewCommitter())))
				w.Until("work", func() bool { return work.sum() == atOnce })
				had := work.of()
				second := w.Member(kind.Member(1)...)
				second.Start(second.Works(nil))
				w.Until("a partition", func() bool { return len(second.Has()) > 0 })
				want := map[int32]int{}
				for p, n := range had {
					if kind.Name == "eager" || slices.Contains(second.Has(), p) {
						want[p] = n
					}
				}
				got := map[int32]int{}
				for _, g := range first.Run.Snapshot().GivenUp {
					require.Equal(t, "pay", g.Stage)
					got[g.Partition] += g.Records
				}
				require.Equal(t, want, got)
				first.Run.Stop()
				second.Drain()
				<-first.Run.Done()
			}, grouptest.Durable())
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
