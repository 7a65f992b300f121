package envelope

import "time"

// Metadata is what the broker said of a record that it took.
type Metadata struct {
	// Topic and Partition are where the record went.
	Topic     string
	Partition int32
	// Offset is the record's place in its partition; -1 where the broker was
	// asked for no acknowledgement and so told none.
	Offset int64
	// Timestamp is the record's as it was sent, in milliseconds' precision. A topic
	// with message.timestamp.type=LogAppendTime stores the broker's time instead,
	// which is not known here: the client does not tell it.
	Timestamp time.Time
	// KeySize and ValueSize are the serialised sizes in bytes; -1 for null.
	KeySize, ValueSize int
}
