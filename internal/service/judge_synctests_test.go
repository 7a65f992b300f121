//go:build synctests

package service_test

import (
	"strconv"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/internal/grouptest"
)

// partsOf are the outputs of an order.
func partsOf(int32, int64) (all []string) {
	for i := range parts {
		all = append(all, strconv.Itoa(i))
	}
	return all
}

// outputs reads everything that was written, with a plain client.
func (w *world) outputs() *grouptest.Deliveries {
	w.t.Helper()
	return w.Written(partsOf, topicA, topicB, topicDead)
}

// judge says what is wrong with what was written, of all orders that were sent.
func (w *world) judge() grouptest.Verdict {
	w.t.Helper()
	return w.judgeOf(w.Sent())
}

func (w *world) judgeOf(sent map[int32]int64) grouptest.Verdict {
	w.t.Helper()
	v := w.outputs().Verify(sent)
	w.t.Log(v)
	return v
}

// requireClean wants nothing wrong, of what the graph promises.
func (w *world) requireClean() {
	w.t.Helper()
	w.requireCleanOf(w.Sent())
}

func (w *world) requireCleanOf(sent map[int32]int64) {
	w.t.Helper()
	v := w.judgeOf(sent)
	require.Positive(w.t, v.Delivered)
	v.RequireOnce(w.t)
	if !w.graph.unordered {
		require.Zero(w.t, v.Overtaken, v)
	}
}
