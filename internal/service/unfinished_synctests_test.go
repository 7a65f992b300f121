//go:build synctests

package service_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/stream"
)

// A plain source has nobody who delivers again: what has begun when it is asked to end is finished,
// all before it too, and the rest is dropped and counted. So of each partition everything up to a
// place is written once, and nothing after it.
func TestPlainServiceEnds(t *testing.T) {
	for i, g := range graphs {
		p := protocols[i%len(protocols)]
		t.Run(g.name+", "+p.Name, func(t *testing.T) {
			inWorld(t, p, sources[plain], g, quick, func(w *world) {
				m := w.member()
				w.write() // nothing is committed, so these are all
				m.start()
				m.works(100)
				fetched, err := m.Handle.Metrics()
				require.NoError(t, err)
				took := m.terminate()
				w.stopWriting()
				require.LessOrEqual(t, took, longestEnd)
				given := m.Run.Snapshot().GivenBack
				cut := w.cut()
				require.Positive(t, sum(cut), "something was written")
				require.Less(t, sum(cut), sum(w.Sent()), "not all was written")
				require.GreaterOrEqual(t, given, fetched.Fetched-sum(cut), "what was fetched is written or counted")
				w.requireCleanOf(cut)
			})
		})
	}
}

// cut is up to which offset of each partition outputs are there, whole or not.
func (w *world) cut() map[int32]int64 {
	cut, written := map[int32]int64{}, w.outputs()
	for p := range int32(partitions) {
		for _, o := range written.Offsets(p) {
			cut[p] = max(cut[p], o+1)
		}
	}
	return cut
}

// At most once, a member that is killed loses what was committed ahead of it, and whatever happens
// nothing is there twice.
func TestAtMostOnceServiceIsStopped(t *testing.T) {
	for i, g := range graphs {
		p := protocols[i%len(protocols)]
		t.Run(g.name+", "+p.Name, func(t *testing.T) {
			inWorld(t, p, sources[atMostOnce], g, quick, func(w *world) {
				m := w.member()
				w.write()
				for range 4 {
					m.start()
					m.works(100)
					m.Signal()
					w.Pass(10 * time.Millisecond)
					m.Run.Stop()
					_ = m.ended() // stopped, or drained just before
				}
				m.start(stream.DrainTimeout(downTimeout))
				m.works(100)
				w.down.Store(true)
				m.Signal()
				require.ErrorIs(t, m.ended(), stream.ErrDrainTimeout)
				w.down.Store(false)
				m.start()
				w.worked()
				m.terminate()
				v := w.judge()
				require.Zero(t, v.Doubled, v)
				require.Zero(t, v.Foreign, v)
				if !g.unordered {
					require.Zero(t, v.Overtaken, v)
				}
			})
		})
	}
}
