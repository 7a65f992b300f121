package kafkatest

import (
	"crypto/tls"
	"maps"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Option is an option of [Start] and [Virtual].
type Option func(*config)

type config struct {
	brokers    int
	partitions int
	seeds      []kfake.Opt
	broker     map[string]string
	dataDir    string
	inMemory   bool
	tls        *tls.Config
	cluster    []kfake.Opt
	clients    []kgo.Opt
	patience   time.Duration
	version    string
}

// Brokers sets how many brokers the cluster has. Default 1.
func Brokers(n int) Option { return func(c *config) { c.brokers = n } }

// Topics creates topics with this many partitions each. The option can be given
// several times. Of a data directory that holds a cluster already, its topics
// count instead.
//
// Other topics come into being when a client asks for them with its metadata
// (kgo.AllowAutoTopicCreation), as on a Kafka with its default settings, or with
// [Broker.CreateTopic].
func Topics(partitions int, names ...string) Option {
	return func(c *config) { c.seeds = append(c.seeds, kfake.SeedTopics(int32(partitions), names...)) }
}

// Partitions sets how many partitions a topic has that is created without a
// number. Default 1, as Kafka's num.partitions.
func Partitions(n int) Option { return func(c *config) { c.partitions = n } }

// BrokerConfig sets broker settings by Kafka's names, such as
// "message.max.bytes"; for those that count see kfake.BrokerConfigs. An empty
// value is the broker's default.
//
// One default differs from Kafka's: on TCP group.consumer.heartbeat.interval.ms is
// 100, for quick rebalances; in a bubble it is Kafka's 5000.
func BrokerConfig(settings map[string]string) Option {
	return func(c *config) { maps.Copy(c.broker, settings) }
}

// DataDir keeps the cluster's data in this directory, where it is found again by
// the next cluster. Default: a temporary directory of the test.
func DataDir(dir string) Option { return func(c *config) { c.dataDir, c.inMemory = dir, false } }

// InMemory keeps the cluster's data in memory and not in a directory. It saves
// the 5 to 10 ms that the files of a small cluster cost, for tests that start
// many brokers or measure throughput; [Broker.Restart] is not possible then.
func InMemory() Option { return func(c *config) { c.inMemory = true } }

// TLS makes the cluster speak TLS. Clients need the other side of it: give
// [Clients] and the settings under test a TLS configuration that trusts the
// certificate. (kfake.TLS would hide requests from [Broker.HoldAcks].)
func TLS(cfg *tls.Config) Option { return func(c *config) { c.tls = cfg } }

// Cluster gives options to kfake itself, such as kfake.EnableSASL or
// kfake.SleepOutOfOrder. Network, ports and data directory
// are this package's: those options have no effect.
func Cluster(opts ...kfake.Opt) Option {
	return func(c *config) { c.cluster = append(c.cluster, opts...) }
}

// Clients adds options to the plain clients of this package (see
// [Broker.ClientOptions]), such as credentials.
func Clients(opts ...kgo.Opt) Option {
	return func(c *config) { c.clients = append(c.clients, opts...) }
}

// Patience sets how long [Expect] and the others wait before they fail the test.
// Default 20 s on TCP; in a bubble 10 minutes of its time, which cost no more
// than what happens in them.
func Patience(d time.Duration) Option { return func(c *config) { c.patience = d } }
