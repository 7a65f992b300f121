package settings

import (
	"fmt"
	"strconv"
	"time"
)

// transactionSet returns an option that notes itself as given and sets a value.
func transactionSet(setting, java, value string, set func(*transactionConfig)) TransactionOption {
	return transactionOption(func(c *transactionConfig) {
		c.given(setting, java, value)
		set(c)
	})
}

// IDPrefix sets what the transactional ids begin with: a session's id is the prefix,
// the instance and the session's number, with colons between them, as in
// "billing:pod-1:0" ([Transaction.ID]). This or a [TransactionalID] is needed; there is
// no default. A prefix belongs to one service of a cluster: instances of two that have
// one prefix and are named alike would fence each other. An ACL is one for the prefix
// and a colon, with the pattern type prefixed.
//
// The instance is that of [InstanceID], else the consumer's InstanceID, else a random
// name that is made at each start. What that decides is how soon the transactions of an
// instance that has died are over. With a name that stays, an instance that comes back
// fences the old one and ends its transactions at once. With a random one the brokers
// abort them after the [TransactionTimeout], and up to 10 seconds later
// (transaction.abort.timed.out.transaction.cleanup.interval.ms): until then readers with
// [ReadCommitted] wait in front of their records and, where the instance died while it
// committed, so does who takes over its partitions. Either way an old instance that is
// not dead is kept from committing by its group (KIP-447). Each start with a random name
// also leaves ids with the brokers, which remember them for 7 days
// (transactional.id.expiration.ms).
//
// Any UTF-8 without control characters is allowed, as long as the ids have at most
// 16,382 bytes.
//
// Alpakka: transaction-id-prefix. Java: transactional.id, which is the whole id.
func IDPrefix(prefix string) TransactionOption {
	return transactionSet("IDPrefix", "transactional.id", quote(prefix), func(c *transactionConfig) { c.prefix = prefix })
}

// TransactionalID sets the transactional id itself, in place of an [IDPrefix], for who
// must use one that an ACL names. The first of several [Sessions] has the id as it is,
// and each further one its number after it: "billing", "billing:1", "billing:2"; an ACL
// has to name each, or "billing" with the pattern type prefixed. With more or fewer
// sessions after a restart the ids of those that are left stay what they were.
//
// One process at a time may use an id: a second one fences the first. So this is for
// services of one instance, or with an id for each; an [InstanceID] has no part in it
// and is refused beside it. What is allowed in an IDPrefix is allowed here.
//
// Java: transactional.id.
func TransactionalID(id string) TransactionOption {
	return transactionSet("TransactionalID", "transactional.id", quote(id), func(c *transactionConfig) { c.id = id })
}

// Sessions sets how many sessions the process has. Each is a client with a transactional
// id and a transaction of its own, and a member of the group: while one commits, the
// others work. The default is 1, from 1 to 1,000. A session costs the connections and
// the memory of a client, and those above the number of partitions have nothing to do.
func Sessions(n int) TransactionOption {
	return transactionSet("Sessions", "", strconv.Itoa(n), func(c *transactionConfig) { c.sessions = n })
}

// CommitInterval sets how long a transaction goes on before it is committed. The default
// is 100 ms, from 1 ms, up to half of the [TransactionTimeout]: what has begun by then
// has still to be finished, acknowledged and committed. A longer interval makes readers
// with [ReadCommitted] wait longer, and an abort or a crash do more again; a shorter one
// spends more of the time on commits, each of which takes a few milliseconds.
// [TransactionSize] commits earlier.
//
// Alpakka: eos-commit-interval. Kafka Streams: commit.interval.ms.
func CommitInterval(d time.Duration) TransactionOption {
	return transactionSet("CommitInterval", "", d.String(), func(c *transactionConfig) { c.interval = d })
}

// TransactionSize sets how many records, and how many bytes of them (keys, values and
// headers), are written in a transaction at most before it is committed, though its
// [CommitInterval] is not over. Both limits count; what has begun by then is finished in
// the same transaction, so that it may become somewhat larger. The default is no limit,
// math.MaxInt: the size of a transaction costs brokers and readers nothing, and at a high
// rate a limit would turn into more commits than the interval asks for. With a long
// interval it bounds what an abort writes again.
func TransactionSize(records, bytes int) TransactionOption {
	return transactionSet("TransactionSize", "", fmt.Sprintf("%d records, %d bytes", records, bytes), func(c *transactionConfig) {
		c.records, c.bytes = records, bytes
	})
}

// TransactionTimeout sets how long a transaction may be open before the broker aborts it
// and fences its session. The default is 1 minute; from 1 second to 24 days, and at least
// twice the [CommitInterval]. Brokers accept 15 minutes unless they are told otherwise
// (transaction.max.timeout.ms). It has to leave time for the slowest call that holds up a
// commit; and it is how long the transaction of an instance that has died keeps readers
// with [ReadCommitted] waiting, see [IDPrefix].
//
// Java: transaction.timeout.ms.
func TransactionTimeout(d time.Duration) TransactionOption {
	return transactionSet("TransactionTimeout", "transaction.timeout.ms", d.String(), func(c *transactionConfig) { c.timeout = d })
}

// AbortBackoff sets how long a session pauses after an abort before it begins again: first
// after the first abort, twice as long after each that follows it without a commit in
// between, up to longest. The default is 100 ms and 10 seconds; first from 1 ms, longest
// not below it. The session's partitions stand still meanwhile.
func AbortBackoff(first, longest time.Duration) TransactionOption {
	return transactionSet("AbortBackoff", "", fmt.Sprintf("%v, %v", first, longest), func(c *transactionConfig) {
		c.firstPause, c.longestPause = first, longest
	})
}

// PoisonAfter sets how many aborts the same record may cause: then it is isolated and
// written to the [DeadLetterTopic], in the transaction that commits its offset, and the
// stream goes on after it. The default is 0: never, such a record is tried again and
// again, [AbortBackoff] apart, and its partition stands still. Each abort does all records
// of its transaction again. A topic for dead letters is needed with it.
func PoisonAfter(aborts int) TransactionOption {
	return transactionSet("PoisonAfter", "", strconv.Itoa(aborts), func(c *transactionConfig) { c.poisonAfter = aborts })
}

// DeadLetterTopic sets where a record goes that has caused as many aborts as [PoisonAfter]
// says, which has to be given with it. The default is "": nowhere. The topic has to be one
// that is not read by the same stream. A name has up to 249 letters, digits, dots,
// underscores and hyphens.
func DeadLetterTopic(name string) TransactionOption {
	return transactionSet("DeadLetterTopic", "", quote(name), func(c *transactionConfig) { c.deadLetterTopic = name })
}
