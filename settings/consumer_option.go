package settings

import (
	"fmt"
	"strconv"
	"time"
)

// consumerSet returns an option that notes itself as given and sets a value.
func consumerSet(setting, java, value string, set func(*consumerConfig)) ConsumerOption {
	return consumerOption(func(c *consumerConfig) {
		c.given(setting, java, value)
		set(c)
	})
}

// Group sets the consumer group: its members share the partitions of the topics
// they subscribe to, and offsets are committed in its name. There is no default. A
// consumer with partitions of its own choice needs none; with one it commits to
// it without being a member.
//
// Java: group.id.
func Group(id string) ConsumerOption {
	return consumerSet("Group", "group.id", quote(id), func(c *consumerConfig) { c.group = id })
}

// InstanceID makes the consumer a static member of its group (KIP-345): closing it
// does not leave the group, and who comes back under this id within the
// [SessionTimeout] gets its partitions back without a rebalance. It is left only
// by a member that ends in the middle of a rebalance, which would wait for it
// otherwise. Of two that run with one id, the older is put out. Up to 249
// letters, digits, dots, underscores and hyphens; a [Group] is needed. The
// default is a dynamic member.
//
// Given to [NewTransaction] it is the instance in the transactional ids that are made
// of an [IDPrefix], for which it need not be a member's; what that is good for is said
// there. The default is the consumer's, where that has one. Each instance of a service
// needs another, which it keeps over restarts, such as the name of a pod in a
// StatefulSet.
//
// Java: group.instance.id.
func InstanceID(id string) InstanceOption { return instanceOption(id) }

type instanceOption string

func (id instanceOption) applyConsumer(c *consumerConfig) {
	c.given("InstanceID", "group.instance.id", quote(string(id)))
	c.instanceID = string(id)
}

func (id instanceOption) applyTransaction(c *transactionConfig) {
	c.given("InstanceID", "transactional.id", quote(string(id)))
	c.instanceID = string(id)
}

// Protocol sets how the members of the group divide its partitions; the default is
// [CooperativeSticky]. It has no effect, as [RebalanceTimeout], [SessionTimeout] and
// [HeartbeatInterval] have none, on a consumer with partitions of its own choice,
// which is no member of a group.
//
// Java: group.protocol and partition.assignment.strategy.
func Protocol(p GroupProtocol) ConsumerOption {
	return consumerSet("Protocol", "group.protocol", p.String(), func(c *consumerConfig) { c.protocol = p })
}

// Isolation sets which records of transactions are read; the default is
// [ReadUncommitted].
//
// Java: isolation.level.
func Isolation(l IsolationLevel) ConsumerOption {
	return consumerSet("Isolation", "isolation.level", l.String(), func(c *consumerConfig) { c.isolation = l })
}

// StartFrom sets where a partition begins for which the group has no committed
// offset (and one that is read without a group and without an offset); the default
// is [Earliest]. With [Latest] a consumer that commits commits the place as soon as
// it is known, and partitions that a topic gets later begin with their first record.
//
// Java: auto.offset.reset, which is latest there by default.
func StartFrom(p StartPosition) ConsumerOption {
	return consumerSet("StartFrom", "auto.offset.reset", p.String(), func(c *consumerConfig) { c.start = p })
}

// OutOfRange sets what happens where the position of a partition is no longer in
// the log, because retention has overtaken the consumer or the log was cut; the
// default is [FailOutOfRange]. A consumer that is overtaken while it reads goes on
// with the first record there is under both other policies: that is the next one
// it has not read.
//
// Java: auto.offset.reset, which is StartFrom and OutOfRange in one.
func OutOfRange(p OutOfRangePolicy) ConsumerOption {
	return consumerSet("OutOfRange", "auto.offset.reset", p.String(), func(c *consumerConfig) { c.outOfRange = p })
}

// Budget sets how much may be in memory: fetched, queued and in the stream, over
// all partitions of a run. Bytes are those of keys, values and headers after
// decompression and 160 for each record. A full budget stops fetching until
// something is done. The default is 128 MiB and 1,000,000 records.
//
// What a fetch may bring follows from it: an eighth of the bytes, at least 1 MiB,
// at most 50 MiB, and of one partition among several a quarter of that.
//
// Half of the partitions may be stuck, and the others are read on. For that each
// partition's part of three eighths of the bytes has to hold some of its batches:
// with the default, and batches of 10 KiB, a thousand partitions do well.
//
// Java has no limit over all; fetch.max.bytes and max.partition.fetch.bytes bound a
// fetch.
func Budget(bytes, records int) ConsumerOption {
	return consumerSet("Budget", "", fmt.Sprintf("%d bytes, %d records", bytes, records), func(c *consumerConfig) {
		c.budgetBytes, c.budgetRecords = bytes, records
	})
}

// RevokeTimeout sets how long a rebalance that takes partitions away waits for
// their records in flight to be finished and committed. What is not finished by
// then is dropped, and delivered again to the new owner. The default is 20
// seconds, or a third of the [RebalanceTimeout] where that is less; it must be
// below that.
func RevokeTimeout(d time.Duration) ConsumerOption {
	return consumerSet("RevokeTimeout", "", d.String(), func(c *consumerConfig) { c.revokeTimeout = d })
}

// RebalanceTimeout sets how long the group waits for a member in a rebalance before
// it goes on without it. The default is 1 minute, from 100 ms.
//
// Java: max.poll.interval.ms (5 minutes there), which also puts out a consumer that
// does not poll; here a slow stream is never put out.
func RebalanceTimeout(d time.Duration) ConsumerOption {
	return consumerSet("RebalanceTimeout", "max.poll.interval.ms", d.String(), func(c *consumerConfig) { c.rebalanceTimeout = d })
}

// SessionTimeout sets how long a member may be silent before the group takes it
// for dead. The default is 45 seconds, from 100 ms; a broker accepts 6 seconds to
// 30 minutes unless it is told otherwise (group.min.session.timeout.ms). With
// [ConsumerProtocol] the broker decides (group.consumer.session.timeout.ms).
//
// Java: session.timeout.ms.
func SessionTimeout(d time.Duration) ConsumerOption {
	return consumerSet("SessionTimeout", "session.timeout.ms", d.String(), func(c *consumerConfig) { c.sessionTimeout = d })
}

// HeartbeatInterval sets how often a member says that it lives, and with that how
// soon it learns of a rebalance. The default is 3 seconds, or a third of the
// [SessionTimeout] where that is less; it must be below that, and should not be
// above a third of it. With [ConsumerProtocol] the broker decides
// (group.consumer.heartbeat.interval.ms).
//
// Java: heartbeat.interval.ms.
func HeartbeatInterval(d time.Duration) ConsumerOption {
	return consumerSet("HeartbeatInterval", "heartbeat.interval.ms", d.String(), func(c *consumerConfig) { c.heartbeat = d })
}

// FetchMaxWait sets how long a broker may wait for [FetchMinBytes] before it
// answers a fetch. The default is 250 ms, from 10 ms. A partition that is resumed
// or newly assigned waits for the fetch that is under way, so it is also how long a
// resume may take.
//
// Java: fetch.max.wait.ms (500 ms there; 5 s in franz-go).
func FetchMaxWait(d time.Duration) ConsumerOption {
	return consumerSet("FetchMaxWait", "fetch.max.wait.ms", d.String(), func(c *consumerConfig) { c.fetchMaxWait = d })
}

// FetchMinBytes sets how much a broker should have before it answers a fetch. The
// default is 1: it answers with whatever there is. At most what a fetch may bring;
// see [Budget].
//
// Java: fetch.min.bytes.
func FetchMinBytes(n int) ConsumerOption {
	return consumerSet("FetchMinBytes", "fetch.min.bytes", strconv.Itoa(n), func(c *consumerConfig) { c.fetchMinBytes = n })
}

// CommitTimeout sets how long a commit is tried before that is given up. The default
// is 15 seconds. While the stream runs, the next commit then tries again with what is
// finished by now, as long as it takes: records go on meanwhile. A rebalance goes on
// without its commit, so that its records are delivered again, and the end of a stream
// that waits for the answer fails. A commit that is under way is never cut off: its
// last try may take another [RequestTimeout].
//
// Java: default.api.timeout.ms, for commits.
func CommitTimeout(d time.Duration) ConsumerOption {
	return consumerSet("CommitTimeout", "default.api.timeout.ms", d.String(), func(c *consumerConfig) { c.commitTimeout = d })
}

// HandlerWarning sets how long a rebalance handler may take before that is logged.
// The default is 5 seconds. Nothing is cut off.
func HandlerWarning(d time.Duration) ConsumerOption {
	return consumerSet("HandlerWarning", "", d.String(), func(c *consumerConfig) { c.handlerWarning = d })
}

// StartTimeout sets how long a run tries to begin: until a broker answers, its topics
// are there, its group has a coordinator and takes it in. What may pass is tried again
// meanwhile, with one warning: brokers that are starting, a topic that was just made
// and is not known everywhere, an [InstanceID] that another member has not given back.
// Then the run ends with an error that says what stood in the way. The default is 30
// seconds. A run that has begun waits for its brokers as long as it takes.
//
// With [ConsumerProtocol] a static member that has crashed keeps its id until its
// session is over, 45 seconds by the broker's default: with a shorter StartTimeout
// the one that follows it may have to be started more than once.
//
// Java has no such setting: poll waits for ever.
func StartTimeout(d time.Duration) ConsumerOption {
	return consumerSet("StartTimeout", "", d.String(), func(c *consumerConfig) { c.startTimeout = d })
}

// StuckAfter sets how long a partition may stand at a record that has begun and is not done before
// that is logged, and how often it is logged while it lasts. Nothing after it in its partition can
// be committed meanwhile. The default is 1 minute.
func StuckAfter(d time.Duration) ConsumerOption {
	return consumerSet("StuckAfter", "", d.String(), func(c *consumerConfig) { c.stuckAfter = d })
}

// TrackLimit sets how many records of one partition are kept account of, from the
// first that is not done on: a partition with more is held back until that one is
// done. The default is 262,144.
func TrackLimit(records int) ConsumerOption {
	return consumerSet("TrackLimit", "", strconv.Itoa(records), func(c *consumerConfig) { c.trackLimit = records })
}

// Undecodable sets what happens to a record whose key or value its serde refuses;
// the default is [FailUndecodable].
//
// Java has no policy: poll fails on such a record, again and again.
func Undecodable(p UndecodablePolicy) ConsumerOption {
	return consumerSet("Undecodable", "", p.String(), func(c *consumerConfig) { c.undecodable = p })
}
