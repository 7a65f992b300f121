package settings_test

import (
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/serde"
	"github.com/vicuna-go/vicuna/settings"
)

func ExampleNewProducer() {
	ps := settings.NewProducer(serde.String(), serde.Bytes(),
		settings.Bootstrap("kafka-1:9092", "kafka-2:9092"),
		settings.ClientID("billing"),
		settings.Linger(2*time.Millisecond),
	)
	fmt.Println(ps.Err(), ps.ClientID(), ps.Acks())
	// Output: <nil> billing all
}

// All that is wrong is told at once.
func ExampleProducerConfig_Err() {
	ps := settings.NewProducer(serde.String(), serde.Bytes(),
		settings.Bootstrap("kafka-1"),
		settings.Acks(settings.AcksLeader), settings.Idempotence(true),
		settings.Linger(2*time.Minute),
	)
	fmt.Println(ps.Err())
	// Output:
	// vicuna: settings: Bootstrap (bootstrap.servers) = "kafka-1": missing port in address, host:port is needed
	// vicuna: settings: Idempotence (enable.idempotence) = true: contradicts acks = 1: idempotence needs AcksAll
	// vicuna: settings: Linger (linger.ms) = 2m0s: must not be longer than 1m0s
}

// One set of settings, and another that differs in one thing.
func ExampleProducer_With() {
	ps := settings.NewProducer(serde.String(), serde.Bytes(), settings.Bootstrap("kafka-1:9092"))
	prompt := ps.With(settings.Linger(0))
	fmt.Println(ps.Linger(), prompt.Linger())
	// Output: 5ms 0s
}

func ExampleNewConsumer() {
	cs := settings.NewConsumer(serde.String(), serde.Bytes(),
		settings.Bootstrap("kafka-1:9092", "kafka-2:9092"),
		settings.Group("billing"),
		settings.Isolation(settings.ReadCommitted),
	)
	fmt.Println(cs.Err(), cs.Group(), cs.Isolation(), cs.StartFrom())
	// Output: <nil> billing read_committed earliest
}

// All that is wrong is told at once.
func ExampleConsumerConfig_Err() {
	cs := settings.NewConsumer(serde.String(), serde.Bytes(),
		settings.Bootstrap("kafka-1:9092"),
		settings.InstanceID("pod-1"),
		settings.RebalanceTimeout(10*time.Second), settings.RevokeTimeout(20*time.Second),
		settings.ClientOptions(kgo.AutoCommitMarks()),
	)
	fmt.Println(cs.Err())
	// Output:
	// vicuna: settings: kgo.AutoCommitMarks = true: is refused in ClientOptions: offsets are committed when their records are done
	// vicuna: settings: InstanceID (group.instance.id) = "pod-1": is a member's of a group; Group (group.id) is missing
	// vicuna: settings: RevokeTimeout = 20s: must be below RebalanceTimeout (max.poll.interval.ms, 10s): the member would be put out of its group while it waits
}

// Where the brokers are is said once for both sides.
func ExampleOption() {
	cluster := []settings.Option{settings.Bootstrap("kafka-1:9092"), settings.ClientID("billing")}

	cs := settings.NewConsumer(serde.String(), serde.Bytes(), settings.Group("billing"))
	ps := settings.NewProducer(serde.String(), serde.Bytes())
	for _, o := range cluster {
		cs, ps = cs.With(o), ps.With(o)
	}
	fmt.Println(cs.Err(), ps.Err(), cs.Bootstrap(), ps.Bootstrap())
	// Output: <nil> <nil> [kafka-1:9092] [kafka-1:9092]
}

func ExampleNewCommitter() {
	cm := settings.NewCommitter(settings.MaxBatch(200), settings.MaxInterval(100*time.Millisecond))
	fmt.Println(cm.Err(), cm)
	// Output: <nil> settings.Committer{max.batch: 200, max.interval: 100ms, delivery: WaitForAck}
}

// Ids that stay over restarts: an instance that comes back fences the one before it.
func ExampleNewTransaction() {
	tx := settings.NewTransaction(settings.IDPrefix("billing"), settings.InstanceID("pod-1"), settings.Sessions(2))
	fmt.Println(tx.Err(), tx.CommitInterval(), tx.TransactionTimeout())
	for session := range tx.Sessions() {
		fmt.Println(tx.ID(tx.InstanceID(), session))
	}
	// Output:
	// <nil> 100ms 1m0s
	// billing:pod-1:0
	// billing:pod-1:1
}

// All that is wrong is told at once.
func ExampleTransaction_Err() {
	tx := settings.NewTransaction(
		settings.CommitInterval(time.Minute), settings.TransactionTimeout(time.Minute),
		settings.PoisonAfter(5),
	)
	fmt.Println(tx.Err())
	// Output:
	// vicuna: settings: IDPrefix (transactional.id): is missing, there is no prefix and no id: IDPrefix or TransactionalID is needed
	// vicuna: settings: CommitInterval = 1m0s: must not be above half of TransactionTimeout (transaction.timeout.ms, 1m0s): what has begun by then has still to be finished and committed
	// vicuna: settings: PoisonAfter = 5: needs a DeadLetterTopic, or the record would be lost
}
