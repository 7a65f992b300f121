//go:build synctests

package service_test

import (
	"fmt"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/kafkatest"
)

// verdict counts what is wrong with what was written: outputs that are not there, that are there
// too often, whose first delivery came after a later one of their key in the same partition, and
// those of orders that nobody has sent.
type verdict struct {
	outputs, lost, doubled, overtaken, foreign int
	first                                      string // of what is wrong
}

func (v *verdict) wrong(n *int, format string, args ...any) {
	if *n++; v.first == "" {
		v.first = fmt.Sprintf(format, args...)
	}
}

func (v verdict) String() string {
	s := fmt.Sprintf("%d outputs: lost %d, doubled %d, overtaken %d, foreign %d", v.outputs, v.lost, v.doubled, v.overtaken, v.foreign)
	if v.first != "" {
		s += "; the first: " + v.first
	}
	return s
}

// output names one.
type output struct {
	partition int32
	offset    int64
	part      int
}

// judge reads everything that was written, with a plain client.
func (w *world) judge() (v verdict) {
	w.t.Helper()
	seen := map[output]int{}
	for _, topic := range []string{topicA, topicB, topicDead} {
		type series struct {
			partition int32
			key       string
			part      int
		}
		last := map[series]int64{}
		for _, rec := range kafkatest.ReadAll(w.t, w.k, topic) {
			var o output
			if _, err := fmt.Sscanf(string(rec.Value), "%d/%d/%d", &o.partition, &o.offset, &o.part); err != nil ||
				o.partition < 0 || o.partition >= partitions || o.offset >= w.sent[o.partition] {
				v.wrong(&v.foreign, "%s[%d]@%d: %q", topic, rec.Partition, rec.Offset, rec.Value)
				continue
			}
			v.outputs++
			if seen[o]++; seen[o] > 1 {
				v.wrong(&v.doubled, "doubled: %v at %s[%d]@%d", o, topic, rec.Partition, rec.Offset)
				continue
			}
			s := series{rec.Partition, string(rec.Key), o.part}
			if before, ok := last[s]; ok && before > o.offset {
				v.wrong(&v.overtaken, "overtaken: %v at %s[%d]@%d comes after offset %d of its key", o, topic, rec.Partition, rec.Offset, before)
				continue
			}
			last[s] = o.offset
		}
	}
	for p, n := range w.sent {
		for offset := range n {
			for part := range parts {
				if seen[output{int32(p), offset, part}] == 0 {
					v.wrong(&v.lost, "lost: %v", output{int32(p), offset, part})
				}
			}
		}
	}
	w.t.Log(v)
	return v
}

// written are the outputs that are there.
func (w *world) written() map[output]int {
	w.t.Helper()
	seen := map[output]int{}
	for _, topic := range []string{topicA, topicB, topicDead} {
		for _, rec := range kafkatest.ReadAll(w.t, w.k, topic) {
			var o output
			_, err := fmt.Sscanf(string(rec.Value), "%d/%d/%d", &o.partition, &o.offset, &o.part)
			require.NoError(w.t, err)
			seen[o]++
		}
	}
	return seen
}

// requireClean wants nothing wrong, of what the graph promises.
func (w *world) requireClean() {
	w.t.Helper()
	v := w.judge()
	require.Positive(w.t, v.outputs)
	require.Zero(w.t, v.foreign, v)
	require.Zero(w.t, v.lost, v)
	require.Zero(w.t, v.doubled, v)
	if !w.graph.unordered {
		require.Zero(w.t, v.overtaken, v)
	}
}
