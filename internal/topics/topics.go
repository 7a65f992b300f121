// Package topics names partitions of topics, and turns lists of them into the forms that the client
// wants and back.
package topics

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// Partition names a partition of a topic.
type Partition struct {
	Topic     string
	Partition int32
}

// String returns topic[partition].
func (p Partition) String() string { return p.Topic + "[" + strconv.Itoa(int(p.Partition)) + "]" }

// Compare orders partitions by topic, then by number.
func Compare(a, b Partition) int {
	return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
}

// Sort puts partitions into the order of Compare.
func Sort(ps []Partition) { slices.SortFunc(ps, Compare) }

// List makes a list, in order, of what the client gives as a map.
func List(byTopic map[string][]int32) []Partition {
	var ps []Partition
	for topic, ids := range byTopic {
		for _, id := range ids {
			ps = append(ps, Partition{topic, id})
		}
	}
	Sort(ps)
	return ps
}

// ByTopic is the other way round.
func ByTopic(ps []Partition) map[string][]int32 {
	byTopic := make(map[string][]int32, 1)
	for _, p := range ps {
		byTopic[p.Topic] = append(byTopic[p.Topic], p.Partition)
	}
	return byTopic
}

// Names are the topics of partitions, each once, in order.
func Names(ps []Partition) []string {
	var names []string
	for _, p := range ps {
		names = append(names, p.Topic)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// mostInSummary is how many partitions a Summary names.
const mostInSummary = 50

// Summary names partitions for a log line, in order: other[0] topic[0 1 2], and of many the first.
func Summary(ps []Partition) string {
	ps = slices.Clone(ps)
	Sort(ps)
	var b strings.Builder
	topic := ""
	for i, p := range ps {
		switch {
		case i == mostInSummary:
			b.WriteString("] and " + strconv.Itoa(len(ps)-mostInSummary) + " more")
			return b.String()
		case i == 0 || p.Topic != topic:
			if i > 0 {
				b.WriteString("] ")
			}
			topic = p.Topic
			b.WriteString(topic + "[")
		default:
			b.WriteByte(' ')
		}
		b.WriteString(strconv.Itoa(int(p.Partition)))
	}
	if len(ps) > 0 {
		b.WriteByte(']')
	}
	return b.String()
}

// ByPartition is a value for each of some partitions, nested by topic as the client takes them.
type ByPartition[V any] map[string]map[int32]V

// Set sets the value of a partition.
func (m ByPartition[V]) Set(p Partition, v V) {
	if m[p.Topic] == nil {
		m[p.Topic] = map[int32]V{}
	}
	m[p.Topic][p.Partition] = v
}
