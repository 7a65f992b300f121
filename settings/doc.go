// Package settings says how a producer and a consumer talk to Kafka, how offsets are
// committed, and how transactions are made: where the brokers are; how records are
// acknowledged, batched and partitioned; which group shares the partitions, where
// reading begins, and how much may be in flight or in memory; under which ids, and how
// long, records are written in a transaction.
//
// A [Producer] is a value. It is made with [NewProducer], never changed
// afterwards, and fits every producer there is (sink, flow, element, shared
// client), any number of them, at the same time. [Producer.With] derives a
// changed copy. The same goes for a [Consumer], a [Committer] and a [Transaction]. An
// [Option] fits producers and consumers, an [InstanceOption] consumers and transactions,
// a [ProducerOption], [ConsumerOption], [CommitterOption] or [TransactionOption] its own
// side.
//
// Making one never fails. All that is wrong is collected as [Problem] values,
// each naming the option, the Java client's property for it, the value and the
// reason; Err joins them, and whatever takes settings asks them first. So a
// faulty configuration is reported whole and once, before anything connects.
//
// Settings never show secrets: String, LogValue, the fmt verbs, JSON and the
// problems leave credentials and keys out.
//
// The package imports serde, internal/partition and franz-go. It opens no connection.
package settings
