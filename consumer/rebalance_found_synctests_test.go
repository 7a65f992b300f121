//go:build synctests

package consumer_test

import (
	"context"
	"iter"
	"math"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/producer"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// A copy that commits when it is given a record, and not when it is done, is found out by what the
// other tests of copies look at: it crashes, and what it had in work is committed and lost.
func TestCommitsAheadAreFound(t *testing.T) {
	copyingIn(t, grouptest.Protocols[1:2], func(t *testing.T, w *copying, kind grouptest.Protocol) {
		const atOnce = 16
		var held atomic.Int64
		start := func(m *copier, holds int64) {
			split := stream.FlatMap(m.Handle.AtMostOnceSource(100), func(r *strRecord) iter.Seq[piece] { return piecesOf(r, nil) })
			written := stream.MapAsyncUnordered(split.Filter(piece.wanted), atOnce, func(ctx context.Context, p piece) (*envelope.Record[string, string], error) {
				if p.number >= holds {
					held.Add(1)
					<-ctx.Done()
					return nil, context.Cause(ctx)
				}
				return envelope.New("out", strconv.Itoa(int(p.partition)), p.String()), nil
			})
			m.Start(written.To(producer.PlainSink(m.producer())))
		}
		first, second := w.member(kind, 0), w.member(kind, 1)
		start(first, 200)
		w.share(first)
		w.Until("all calls hold a piece", func() bool { return held.Load() == atOnce })
		first.Crash()
		start(second, math.MaxInt64)
		w.share(second)
		w.progress()
		verdict := w.copied(t)
		w.Pass(5 * time.Second)
		second.Drain()
		v := verdict()
		require.NotZero(t, v.Early, v)
		require.NotZero(t, v.Lost, v)
	})
}

// A member that does not wait in a revoke for what it has in work is found out, too: one of the
// first records of each partition takes until then, and others have overtaken it. What was dropped
// is delivered again, so that it is doubled and not lost.
func TestRevokesThatDoNotWaitAreFound(t *testing.T) {
	const held = 101
	copyingIn(t, grouptest.Protocols[1:2], func(t *testing.T, w *copying, kind grouptest.Protocol) {
		gate := grouptest.NewGate(t)
		w.work = func(ctx context.Context, p piece) error {
			if p.number == held {
				return gate.Wait(ctx)
			}
			return nil
		}
		first, second := w.member(kind, 0, settings.RevokeTimeout(time.Millisecond)), w.member(kind, 1)
		first.start()
		w.share(first)
		w.Until("others have overtaken it in each partition", func() bool {
			for p := range int32(copyPartitions) {
				if offsets := w.out.Offsets(p); len(offsets) == 0 || offsets[len(offsets)-1] < held+100 {
					return false
				}
			}
			return true
		})
		second.start()
		w.Until("the second has partitions", func() bool { return len(second.Has()) > 0 })
		gate.Open()
		w.share(first, second)
		w.progress()
		verdict := w.copied(t)
		require.NotZero(t, first.Dropped())
		first.Drain()
		second.Drain()
		v := verdict()
		require.NotZero(t, v.Doubled, v)
		require.Zero(t, v.Lost, v)
	})
}
