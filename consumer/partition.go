package consumer

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/vicuna-go/vicuna/internal/feed"
)

// TopicPartition names a partition of a topic.
type TopicPartition struct {
	Topic     string
	Partition int32
}

// String returns topic[partition].
func (p TopicPartition) String() string {
	return p.Topic + "[" + strconv.Itoa(int(p.Partition)) + "]"
}

func (p TopicPartition) feed() feed.Partition { return feed.Partition{Topic: p.Topic, ID: p.Partition} }

func comparePartitions(a, b TopicPartition) int {
	return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
}

// partitionsOf lists what the client gives as a map, in order.
func partitionsOf(topics map[string][]int32) []TopicPartition {
	var ps []TopicPartition
	for topic, ids := range topics {
		for _, id := range ids {
			ps = append(ps, TopicPartition{topic, id})
		}
	}
	slices.SortFunc(ps, comparePartitions)
	return ps
}

// topicsOf is the other way round.
func topicsOf(ps []TopicPartition) map[string][]int32 {
	topics := make(map[string][]int32, 1)
	for _, p := range ps {
		topics[p.Topic] = append(topics[p.Topic], p.Partition)
	}
	return topics
}

func sortPartitions(ps []TopicPartition) { slices.SortFunc(ps, comparePartitions) }
