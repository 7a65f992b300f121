package settings

import (
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/internal/partition"
)

// DefaultPartitioner returns the partitioner that is used unless another is set:
// a record's own partition first; else, for a record with a key, the Java
// client's choice (murmur2 of the key, without its sign, modulo the number of
// partitions: equal keys share a partition, and an empty key is a key); else one
// partition until 64 KiB have gone to it, then another, the less backed up the
// likelier (KIP-794).
//
// A record's own partition is kgo.Record.Partition where that is not negative.
// Records of package envelope are translated by the producer. Who calls Produce
// on a client with this partitioner directly must set Partition to -1 for a
// record that names none: the zero value is partition 0.
//
// A partition that the topic does not have fails the record.
func DefaultPartitioner() kgo.Partitioner { return partition.Default() }

// ExplicitFirst returns a partitioner that takes a record's own partition as
// [DefaultPartitioner] does, and asks p for records that name none. If p panics,
// the record fails with that, and not the process; if its ForTopic does, all
// records of the topic that name no partition fail, for as long as the client
// lives.
func ExplicitFirst(p kgo.Partitioner) kgo.Partitioner { return partition.ExplicitFirst(p) }

// PartitionerOpt returns [DefaultPartitioner] as an option for a client of your
// own that is to be shared with producers of this library. Without it (or
// kgo.RecordPartitioner(ExplicitFirst(yours))) the client would not heed a
// record's own partition, so such records are refused there.
func PartitionerOpt() kgo.Opt { return kgo.RecordPartitioner(DefaultPartitioner()) }
