package consumer_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/internal/grouptest"
)

// Three members join one after the other, and each is restarted once by a drain, while records are
// written all the time and lie everywhere in the graph: nothing is lost, nothing doubled, nothing
// overtakes an earlier record of its key, and at no time is an offset committed before what it
// covers is written.
func rollingRestart(t *testing.T, w *copying, kind grouptest.Protocol, ordered bool) {
	w.ordered = ordered
	var members []*copier
	for i := range 3 {
		m := w.member(kind, i)
		m.start()
		members = append(members, m)
		w.share(members...)
		w.progress()
	}
	for _, m := range members {
		m.Drain()
		if !kind.Static { // whose partitions wait for it
			w.progress()
		}
		m.start()
		w.share(members...)
		w.progress()
	}
	verdict := w.copied(t)
	for _, m := range members {
		m.Drain()
	}
	v := verdict()
	v.RequireOnce(t)
	if ordered {
		require.Zero(t, v.Overtaken, v)
	}
	for i, m := range members {
		require.Zero(t, m.Dropped(), "member %d", i)
	}
}
