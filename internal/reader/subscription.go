package reader

import (
	"slices"

	"github.com/vicuna-go/vicuna/internal/topics"
)

// Subscription says what is read; package consumer has checked it.
type Subscription struct {
	Topics     []string
	Partitions []topics.Partition
	Offsets    map[topics.Partition]int64
	// Manual: the partitions are the user's choice, and the client is no member of a group.
	Manual bool
}

// Names are the topics that are read, in order.
func (s Subscription) Names() []string {
	names := append(slices.Clone(s.Topics), topics.Names(s.Partitions)...)
	slices.Sort(names)
	return slices.Compact(names)
}
