package consumer

import "github.com/vicuna-go/vicuna/internal/topics"

// TopicPartition names a partition of a topic. It is a struct with the fields Topic (a string) and
// Partition (an int32); its String is topic[partition]. It is comparable, and the key of the maps
// that this package gives and takes.
type TopicPartition = topics.Partition
