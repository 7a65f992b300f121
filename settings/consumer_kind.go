package settings

import "strconv"

// GroupProtocol says how the members of a group divide its partitions. It is given
// to [Protocol].
type GroupProtocol int8

const (
	// CooperativeSticky takes away from a member only what another is to get;
	// what stays with it goes on flowing. The default. A group cannot have
	// members of this kind and of [Eager].
	CooperativeSticky GroupProtocol = iota
	// Eager takes all partitions from all members at each rebalance, as clients
	// before KIP-429 do: for a group that has such members. Sticky and range
	// assignment are offered.
	Eager
	// ConsumerProtocol is KIP-848: the broker assigns, members change one by
	// one, and nobody waits for another. It needs Kafka 4.0 (4.3 is better: a
	// commit that meets a change of the assignment may be refused before);
	// with a broker that does not know it, the group works as with
	// [CooperativeSticky].
	ConsumerProtocol
)

// String returns the protocol's name in this package.
func (p GroupProtocol) String() string {
	return name("GroupProtocol", int(p), "CooperativeSticky", "Eager", "ConsumerProtocol")
}

// IsolationLevel says which records of transactions are read. It is given to
// [Isolation].
type IsolationLevel int8

const (
	// ReadUncommitted reads all records, those of transactions that are open
	// or aborted too. The default.
	ReadUncommitted IsolationLevel = iota
	// ReadCommitted reads no records of aborted transactions, and none at or
	// behind the first that belongs to one still open.
	ReadCommitted
)

// String returns the level as the Java property spells it.
func (l IsolationLevel) String() string {
	return name("IsolationLevel", int(l), "read_uncommitted", "read_committed")
}

// StartPosition says where a partition begins that has no committed offset. It is
// given to [StartFrom].
type StartPosition int8

const (
	// Earliest begins with the first record that there is. The default.
	Earliest StartPosition = iota
	// Latest begins with what is written from now on.
	Latest
)

// String returns the position as the Java property spells it.
func (p StartPosition) String() string { return name("StartPosition", int(p), "earliest", "latest") }

// OutOfRangePolicy says what happens where the position of a partition is no
// longer in the log. It is given to [OutOfRange].
type OutOfRangePolicy int8

const (
	// FailOutOfRange ends the stream with a typed error. The default.
	FailOutOfRange OutOfRangePolicy = iota
	// ToEarliest goes on with the first record that there is.
	ToEarliest
	// ToLatest goes on with what is written from now on.
	ToLatest
)

// String returns the policy as the Java property auto.offset.reset spells it.
func (p OutOfRangePolicy) String() string {
	return name("OutOfRangePolicy", int(p), "none", "earliest", "latest")
}

// UndecodablePolicy says what happens to a record whose key or value its serde
// refuses. It is given to [Undecodable].
type UndecodablePolicy int8

const (
	// FailUndecodable ends the stream with a typed error. The default.
	FailUndecodable UndecodablePolicy = iota
	// SkipUndecodable counts the record and logs it, and its offset is
	// committed in its turn.
	SkipUndecodable
	// DeliverUndecodable delivers the record with its raw bytes, the error
	// (Record.Err) and zero values in place of what could not be decoded.
	DeliverUndecodable
)

// String returns the policy in a word.
func (p UndecodablePolicy) String() string {
	return name("UndecodablePolicy", int(p), "fail", "skip", "deliver")
}

func name(typ string, i int, names ...string) string {
	if i >= 0 && i < len(names) {
		return names[i]
	}
	return typ + "(" + strconv.Itoa(i) + ")"
}
