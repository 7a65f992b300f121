package topics_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/internal/topics"
)

func TestListAndByTopic(t *testing.T) {
	byTopic := map[string][]int32{"b": {1, 0}, "a": {7}}
	ps := topics.List(byTopic)
	require.Equal(t, []topics.Partition{{Topic: "a", Partition: 7}, {Topic: "b"}, {Topic: "b", Partition: 1}}, ps)
	require.Equal(t, map[string][]int32{"a": {7}, "b": {0, 1}}, topics.ByTopic(ps))
	require.Equal(t, []string{"a", "b"}, topics.Names(ps))
	require.Equal(t, "b[1]", ps[2].String())
	require.Empty(t, topics.List(nil))
	require.Empty(t, topics.Names(nil))
}

func TestSummary(t *testing.T) {
	require.Empty(t, topics.Summary(nil))
	mixed := []topics.Partition{{Topic: "b"}, {Topic: "a", Partition: 1}, {Topic: "c"}, {Topic: "a"}}
	was := slices.Clone(mixed)
	require.Equal(t, "a[0 1] b[0] c[0]", topics.Summary(mixed), "in order, whatever the order of a map was")
	require.Equal(t, was, mixed)
	many := make([]topics.Partition, 60)
	for i := range many {
		many[i] = topics.Partition{Topic: "t", Partition: int32(i)}
	}
	got := topics.Summary(many)
	require.True(t, strings.HasSuffix(got, "49] and 10 more"), got)
	require.NotContains(t, topics.Summary(many[:50]), "more")
}

func TestByPartition(t *testing.T) {
	m := topics.ByPartition[int64]{}
	m.Set(topics.Partition{Topic: "a", Partition: 1}, 5)
	m.Set(topics.Partition{Topic: "a", Partition: 2}, 6)
	require.Equal(t, topics.ByPartition[int64]{"a": {1: 5, 2: 6}}, m)
}
