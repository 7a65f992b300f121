//go:build synctests

package consumer_test

import (
	"context"
	"fmt"
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

type offsetMap = map[consumer.TopicPartition]int64

// loads keeps the calls of a loader.
type loads struct {
	mu    sync.Mutex
	calls [][]consumer.TopicPartition
	gone  [][]consumer.TopicPartition
}

func (l *loads) load(ps []consumer.TopicPartition) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls = append(l.calls, ps)
}

func (l *loads) revoked(ps []consumer.TopicPartition) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gone = append(l.gone, ps)
}

func (l *loads) all() (calls, gone [][]consumer.TopicPartition) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([][]consumer.TopicPartition(nil), l.calls...), append([][]consumer.TopicPartition(nil), l.gone...)
}

// Reading begins where the loader says, else at the group's committed offset, else where the
// settings say; also without membership.
func TestManualOffsets(t *testing.T) {
	for name, sub := range map[string]consumer.Subscription{"member": consumer.Topics("in"), "no member": consumer.Partitions(ats(4)...)} {
		t.Run(name, func(t *testing.T) {
			grouptest.Calmly(t, 4, func(t *testing.T, w *grouptest.World) {
				w.Fill(4, 0, 100)
				w.CommitAs(w.Group, map[int32]int64{1: 90, 2: 95})
				l, got := &loads{}, &grouptest.Deliveries{}
				c := consumer.New(w.Settings(), sub, consumer.ToEnd())
				src := c.PlainPartitionedManualOffsetSource(func(_ context.Context, ps []consumer.TopicPartition) (map[consumer.TopicPartition]int64, error) {
					l.load(ps)
					return offsetMap{at(0): 50, at(1): 100, {Topic: "foreign"}: 3}, nil
				}, nil)
				require.NoError(t, w.Outcome(w.Start(eachRecord(src, got.Take))))
				calls, _ := l.all()
				require.Equal(t, [][]consumer.TopicPartition{ats(4)}, calls)
				require.Equal(t, grouptest.Values(0, 50, 50), got.Values(0))
				require.Empty(t, got.Values(1))
				require.Equal(t, grouptest.Values(2, 95, 5), got.Values(2))
				require.Equal(t, grouptest.Values(3, 0, 100), got.Values(3))
				require.EqualValues(t, 90, w.Committed(1), "nothing is committed")
			})
		})
	}
}

// A loader may take its time; nothing is read before it has returned.
func TestSlowLoader(t *testing.T) {
	grouptest.Calmly(t, 2, func(t *testing.T, w *grouptest.World) {
		w.Fill(2, 0, 100)
		got := &grouptest.Deliveries{}
		c := w.Consumer()
		began := time.Now()
		var first time.Duration
		src := c.PlainPartitionedManualOffsetSource(func(context.Context, []consumer.TopicPartition) (map[consumer.TopicPartition]int64, error) {
			<-time.After(10 * time.Second)
			return offsetMap{at(0): 10, at(1): 20}, nil
		}, nil)
		ctl := w.Start(eachRecord(src, func(_ context.Context, r *strRecord) error {
			if got.Count() == 0 {
				first = time.Since(began)
			}
			got.Add(r)
			return nil
		}))
		w.Until("all", func() bool { return got.Count() == 170 })
		require.GreaterOrEqual(t, first, 10*time.Second)
		require.Equal(t, grouptest.Values(0, 10, 90), got.Values(0))
		w.Drain(ctl)
	})
}

// Partitions that go while their offsets are loaded: the loader's context ends, what it returns is
// not used, and whoever has them next loads them again.
func TestRevokedWhileLoading(t *testing.T) {
	for _, protocol := range []settings.GroupProtocol{settings.CooperativeSticky, settings.Eager, settings.ConsumerProtocol} {
		t.Run(protocol.String(), func(t *testing.T) {
			grouptest.Calmly(t, 4, func(t *testing.T, w *grouptest.World) {
				w.Fill(4, 0, 100)
				var mu sync.Mutex
				interrupted := 0
				one, two := &grouptest.Deliveries{}, &grouptest.Deliveries{}
				firstLoads, secondLoads := &loads{}, &loads{}
				firstGraph := eachRecord(w.Consumer(settings.Protocol(protocol)).PlainPartitionedManualOffsetSource(
					func(ctx context.Context, ps []consumer.TopicPartition) (map[consumer.TopicPartition]int64, error) {
						firstLoads.load(ps)
						calls, _ := firstLoads.all()
						if len(calls) == 1 {
							<-ctx.Done()
							mu.Lock()
							interrupted++
							mu.Unlock()
							return offsetMap{at(0): 99, at(1): 99, at(2): 99, at(3): 99}, nil
						}
						from := offsetMap{}
						for _, p := range ps {
							from[p] = 50
						}
						return from, nil
					}, firstLoads.revoked), func(_ context.Context, r *strRecord) error { one.Add(r); return nil })
				first := w.Start(firstGraph)
				w.Until("the first call", func() bool { calls, _ := firstLoads.all(); return len(calls) == 1 })
				w.Pass(time.Second)
				second := w.Start(eachRecord(w.Consumer(settings.Protocol(protocol)).PlainPartitionedManualOffsetSource(
					func(_ context.Context, ps []consumer.TopicPartition) (map[consumer.TopicPartition]int64, error) {
						secondLoads.load(ps)
						from := offsetMap{}
						for _, p := range ps {
							from[p] = 50
						}
						return from, nil
					}, nil), func(_ context.Context, r *strRecord) error { two.Add(r); return nil }))
				w.Until("all", func() bool { return one.Count()+two.Count() >= 200 })
				w.Pass(10 * time.Second)
				require.Equal(t, 1, interrupted)
				for p := range int32(4) {
					require.Equal(t, grouptest.Values(p, 50, 50), append(one.Values(p), two.Values(p)...), "partition %d", p)
				}
				require.Positive(t, two.Count())
				_, gone := firstLoads.all()
				require.NotEmpty(t, gone)
				w.Drain(first)
				w.Drain(second)
			})
		})
	}
}

// Offsets that are kept beside the results: whatever is revoked when, each record is there once,
// and the function that tells of a revoke is called when what was in flight is there.
func TestNoGapWithManualOffsets(t *testing.T) {
	for _, protocol := range []settings.GroupProtocol{settings.CooperativeSticky, settings.Eager, settings.ConsumerProtocol} {
		t.Run(protocol.String(), func(t *testing.T) {
			grouptest.Calmly(t, 6, func(t *testing.T, w *grouptest.World) {
				const n = 700
				w.Fill(6, 0, n)
				var mu sync.Mutex
				kept := offsetMap{}
				gone := map[string]map[consumer.TopicPartition]bool{}
				member := func(name string, got *grouptest.Deliveries, load time.Duration) stream.Graph {
					mu.Lock() // the members before run already
					gone[name] = map[consumer.TopicPartition]bool{}
					mu.Unlock()
					c := w.Consumer(settings.Protocol(protocol))
					return eachRecord(c.PlainPartitionedManualOffsetSource(func(ctx context.Context, ps []consumer.TopicPartition) (map[consumer.TopicPartition]int64, error) {
						select {
						case <-time.After(load):
						case <-ctx.Done():
						}
						mu.Lock()
						defer mu.Unlock()
						from := offsetMap{}
						for _, p := range ps {
							delete(gone[name], p)
							from[p] = kept[p]
						}
						return from, nil
					}, func(ps []consumer.TopicPartition) {
						mu.Lock()
						defer mu.Unlock()
						for _, p := range ps {
							gone[name][p] = true
						}
					}), func(_ context.Context, r *strRecord) error {
						<-time.After(10 * time.Millisecond)
						mu.Lock()
						defer mu.Unlock()
						p := at(r.Partition())
						if gone[name][p] {
							t.Errorf("%s has given %v back, and handles a record of it", name, p)
						}
						if kept[p] != r.Offset() {
							t.Errorf("%v: %d is handled, and it is the turn of %d", p, r.Offset(), kept[p])
						}
						kept[p]++
						got.Add(r)
						return nil
					})
				}
				one, two, three := &grouptest.Deliveries{}, &grouptest.Deliveries{}, &grouptest.Deliveries{}
				first := w.Start(member("first", one, 0))
				w.Until("some", func() bool { return one.Count() > 60 })
				second := w.Start(member("second", two, 300*time.Millisecond))
				w.Until("some at the second", func() bool { return two.Count() > 20 })
				third := w.Start(member("third", three, 50*time.Millisecond))
				w.Until("some at the third", func() bool { return three.Count() > 20 })
				w.Drain(second)
				w.Until("all", func() bool { return one.Count()+two.Count()+three.Count() >= 6*n })
				w.Pass(10 * time.Second)
				requireOnce(t, 6, n, one, two, three)
				w.Drain(first)
				w.Drain(third)
				mu.Lock()
				defer mu.Unlock()
				require.NotEmpty(t, gone["first"])
			})
		})
	}
}

// What a loader does wrong ends the stream.
func TestLoaderFails(t *testing.T) {
	for name, load := range map[string]consumer.LoadOffsets{
		"error": func(context.Context, []consumer.TopicPartition) (map[consumer.TopicPartition]int64, error) {
			return nil, errBad
		},
		"panic": func(context.Context, []consumer.TopicPartition) (map[consumer.TopicPartition]int64, error) {
			panic(errBad)
		},
		"negative": func(context.Context, []consumer.TopicPartition) (map[consumer.TopicPartition]int64, error) {
			return offsetMap{at(1): -1}, nil
		},
	} {
		for which, sub := range map[string]consumer.Subscription{"member": consumer.Topics("in"), "no member": consumer.Partitions(ats(2)...)} {
			t.Run(name+" "+which, func(t *testing.T) {
				grouptest.Calmly(t, 2, func(t *testing.T, w *grouptest.World) {
					w.Fill(2, 0, 10)
					c := consumer.New(w.Settings(), sub)
					err := w.Outcome(w.Start(eachRecord(c.PlainPartitionedManualOffsetSource(load, nil), func(context.Context, *strRecord) error {
						t.Error("a record was read")
						return nil
					})))
					var user *consumer.UserError
					require.ErrorAs(t, err, &user)
					require.Equal(t, "offset loader", user.What)
					require.Equal(t, ats(2), user.Partitions)
					switch name {
					case "error":
						require.ErrorIs(t, err, errBad)
					case "panic":
						var p *stream.PanicError
						require.ErrorAs(t, err, &p)
					default:
						require.ErrorContains(t, err, "in[1]: offset -1 is negative")
					}
				})
			})
		}
	}
	err := consumer.New(settings.NewConsumer[string, string](nil, nil), consumer.Topics("in")).PlainPartitionedManualOffsetSource(nil, nil).
		To(stream.Ignore[strSub]()).Run(t.Context())
	require.ErrorContains(t, err, "the function that loads offsets is nil")
}

// An offset that is not there is out of range, as any other.
func TestLoadedOffsetOutOfRange(t *testing.T) {
	grouptest.Calmly(t, 1, func(t *testing.T, w *grouptest.World) {
		w.Fill(1, 0, 10)
		c := w.Consumer()
		err := w.Outcome(w.Start(eachRecord(c.PlainPartitionedManualOffsetSource(func(context.Context, []consumer.TopicPartition) (map[consumer.TopicPartition]int64, error) {
			return offsetMap{at(0): 11}, nil
		}, nil), func(context.Context, *strRecord) error { return nil })))
		var out *consumer.OutOfRangeError
		require.ErrorAs(t, err, &out)
		require.EqualValues(t, 11, out.Offset)
	})
}

// The committable one commits what is finished too, and nothing of a partition that was never
// polled.
func TestManualOffsetsCommitted(t *testing.T) {
	grouptest.Calmly(t, 3, func(t *testing.T, w *grouptest.World) {
		w.Fill(3, 0, 100)
		got := &grouptest.Deliveries{}
		c := w.Consumer()
		src := c.CommittablePartitionedManualOffsetSource(func(context.Context, []consumer.TopicPartition) (map[consumer.TopicPartition]int64, error) {
			return offsetMap{at(0): 40, at(1): 30, at(2): 30}, nil
		}, nil)
		ctl := w.Start(stream.Each(src, 1, func(_ consumer.TopicPartition, src stream.Source[*strMessage]) stream.Graph {
			return stream.Map(src, func(m *strMessage) envelope.Committable { got.Add(&m.Record); return m.Offset }).To(consumer.CommitterSink(settings.NewCommitter()))
		}))
		w.Until("the first partition", func() bool { return got.Count() == 60 })
		w.Pass(time.Second)
		require.Equal(t, 60, got.Count(), "the others wait for it")
		lags, err := c.Lag(t.Context())
		require.NoError(t, err)
		require.Equal(t, consumer.Lags{
			{TopicPartition: at(0), Next: 100, Done: 100, End: 100},
			{TopicPartition: at(1), Next: 30, Done: 30, End: 100, Behind: 70},
			{TopicPartition: at(2), Next: 30, Done: 30, End: 100, Behind: 70},
		}, lags)
		w.Drain(ctl)
		require.EqualValues(t, 100, w.Committed(0))
		require.EqualValues(t, -1, w.Committed(1))
		require.EqualValues(t, -1, w.Committed(2))
	})
}

// A rebalance does not load again what stays, where the protocol lets it stay.
func TestLoadedOnceWherePartitionsStay(t *testing.T) {
	for _, protocol := range []settings.GroupProtocol{settings.CooperativeSticky, settings.ConsumerProtocol} {
		t.Run(fmt.Sprint(protocol), func(t *testing.T) {
			grouptest.Calmly(t, 2, func(t *testing.T, w *grouptest.World) {
				l := &loads{}
				load := func(_ context.Context, ps []consumer.TopicPartition) (map[consumer.TopicPartition]int64, error) {
					l.load(ps)
					return nil, nil
				}
				opts := settings.Protocol(protocol)
				first := w.Start(eachRecord(w.Consumer(opts).PlainPartitionedManualOffsetSource(load, l.revoked),
					func(context.Context, *strRecord) error { return nil }))
				w.Until("both", func() bool { calls, _ := l.all(); return len(calls) == 1 })
				w.Pass(time.Second)
				second := w.Start(w.Consumer(opts).PlainSource().To(stream.Ignore[*strRecord]()))
				w.Until("one goes", func() bool { _, gone := l.all(); return len(gone) == 1 })
				w.Pass(10 * time.Second)
				calls, gone := l.all()
				require.Len(t, calls, 1)
				require.Len(t, gone, 1)
				require.Len(t, gone[0], 1)
				w.Drain(second)
				w.Until("it comes back", func() bool { calls, _ := l.all(); return len(calls) == 2 })
				calls, _ = l.all()
				require.Equal(t, gone[0], calls[1])
				w.Drain(first)
			})
		})
	}
}
