package settings

import (
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// consumerOwned are the options that a consumer has its own for, and those that its
// correctness depends on.
var consumerOwned = append(slices.Clone(commonOwned), []owned{
	{"RequestTimeoutOverhead", "RequestTimeout", "it is set in one place"},

	{"ConsumeTopics", "", "what is consumed is said by a subscription (consumer.Topics)"},
	{"ConsumePartitions", "", "what is consumed is said by a subscription (consumer.Partitions, consumer.Offsets)"},
	{"ConsumeRegex", "", "what is consumed is said by a subscription"},
	{"ConsumeExcludeTopics", "", "what is consumed is said by a subscription"},
	{"ConsumeStartOffset", "StartFrom", "it is set in one place"},
	{"ConsumeResetOffset", "OutOfRange", "a position that is not in the log would be moved without a word"},

	{"FetchIsolationLevel", "Isolation", "it is set in one place"},
	{"FetchMaxWait", "FetchMaxWait", "a partition that is resumed waits for so long"},
	{"FetchMinBytes", "FetchMinBytes", "it is checked against what a fetch may bring"},
	{"FetchMaxBytes", "Budget", "it follows from the budget"},
	{"KeepControlRecords", "", "what is no record would be delivered as one"},
	{"KeepRetryableFetchErrors", "", "an error that the client mends by itself would end the stream"},
	{"WithPools", "", "when a record's memory may be used again is for the stream to know"},

	{"ConsumerGroup", "Group", "it is set in one place"},
	{"ShareGroup", "", "its records have no offsets to commit"},
	{"GroupProtocol", "", "the group's members would not understand each other"},
	{"Balancers", "Protocol", "what a revoke takes away depends on it"},
	{"ServerSideBalancer", "Protocol", "what a revoke takes away depends on it"},
	{"InstanceID", "InstanceID", "it is set in one place"},
	{"SessionTimeout", "SessionTimeout", "it is checked against the heartbeat interval"},
	{"RebalanceTimeout", "RebalanceTimeout", "it is checked against the revoke time-out"},
	{"HeartbeatInterval", "HeartbeatInterval", "it is checked against the session time-out"},
	{"BlockRebalanceOnPoll", "", "it is on: a rebalance waits for a poll to be taken over"},

	{"OnPartitionsAssigned", "", "the stream has to know what it owns; consumer.OnRebalance is for handlers"},
	{"OnPartitionsRevoked", "", "the stream has to know what it owns; consumer.OnRebalance is for handlers"},
	{"OnPartitionsLost", "", "the stream has to know what it owns; consumer.OnRebalance is for handlers"},
	{"OnPartitionsCallbackBlocked", "", "the stream has to know what it owns; consumer.OnRebalance is for handlers"},
	{"OnOffsetsFetched", "", "where partitions begin is for the stream to know"},
	{"AdjustFetchOffsetsFn", "", "where partitions begin is for the stream to know"},

	{"DisableAutoCommit", "", "it is on: offsets are committed when their records are done"},
	{"GreedyAutoCommit", "", "offsets are committed when their records are done"},
	{"AutoCommitMarks", "", "offsets are committed when their records are done"},
	{"AutoCommitInterval", "", "offsets are committed when their records are done; settings.MaxInterval is a committer's"},
	{"AutoCommitCallback", "", "offsets are committed when their records are done"},
	{"TransactionalID", "", "a consumer's client does not produce"},
}...)

// apart are franz-go's defaults, given: without that one of these options changes
// another's value.
var apart = []kgo.Opt{
	kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()),
	kgo.ConsumeResetOffset(kgo.RewindOffset(time.Minute)),
	kgo.FetchMaxWait(5 * time.Second),
}

var consuming = side{
	owned: consumerOwned,
	bases: [][]kgo.Opt{
		apart,
		append(slices.Clone(apart), kgo.ConsumerGroup("probe")), // most options of a group need one
		// A fetch of ours may be smaller than franz-go's default, and then so
		// may be what is read at once (kgo.BrokerMaxReadBytes).
		append(slices.Clone(apart), kgo.FetchMaxBytes(1)),
		append(slices.Clone(apart), kgo.FetchMaxBytes(1), kgo.ConsumerGroup("probe")),
	},
}
