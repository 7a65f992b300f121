//go:build synctests

package service_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/stream"
)

// The reader of a channel is gone when its sender is asked to end: what waits to be sent was never
// taken over, and is given back at once. What was taken over and is not answered for bounds what is
// committed, and the end waits for it.
func TestReaderOfAChannelIsGone(t *testing.T) {
	const read = 100
	for _, p := range protocols {
		for _, answered := range []int{read, read / 2} {
			t.Run(p.name, func(t *testing.T) {
				inWorld(t, p, sources[committable], graphs[0], quick, func(w *world) {
					work := make(chan order)
					w.source.graph = func(m *member) stream.Graph {
						return stream.Map(m.handle.CommittableSource(), orderOfMessage).To(stream.ToChan(work))
					}
					m := w.member()
					w.write()
					m.start(stream.DrainTimeout(downTimeout))
					var done [partitions]int64
					for i := range read {
						o := <-work
						if i < answered {
							o.commit.Commit()
							done[o.partition] = o.offset + 1
						}
					}
					began := time.Now()
					err := m.ctl.Drain(context.Background())
					took := time.Since(began)
					w.stopWriting()
					t.Logf("it ended after %v: %v", took, err)
					if answered == read {
						require.NoError(t, err)
						require.LessOrEqual(t, took, time.Second)
					} else {
						require.ErrorIs(t, err, stream.ErrDrainTimeout)
						require.LessOrEqual(t, took, downTimeout+time.Second)
					}
				})
			})
		}
	}
}
