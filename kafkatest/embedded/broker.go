package embedded

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/vicuna-go/vicuna/settings"
)

// Broker is a cluster of one broker, unless [Brokers] says otherwise, on loopback TCP. Its methods
// are safe for concurrent use.
type Broker struct {
	cluster *kfake.Cluster
	addrs   []string
	files   string // a temporary directory, to be removed; empty where there is none

	once sync.Once
	err  error
}

// Option is an option of [Open].
type Option func(*config)

type config struct {
	brokers    int
	partitions int
	seeds      []kfake.Opt
	settings   map[string]string
	dataDir    string
	inMemory   bool
	cluster    []kfake.Opt
}

// Brokers sets how many brokers the cluster has. Default 1.
func Brokers(n int) Option { return func(c *config) { c.brokers = n } }

// Topics creates topics with this many partitions each. The option can be given several times. Of a
// data directory that holds a cluster already, its topics count instead. Other topics come into
// being when a client that is allowed to (kgo.AllowAutoTopicCreation) asks for them.
func Topics(partitions int, names ...string) Option {
	return func(c *config) { c.seeds = append(c.seeds, kfake.SeedTopics(int32(partitions), names...)) }
}

// Partitions sets how many partitions a topic has that is created without a number. Default 1, as
// Kafka's num.partitions.
func Partitions(n int) Option { return func(c *config) { c.partitions = n } }

// BrokerConfig sets broker settings by Kafka's names, such as "message.max.bytes"; for those that
// count see kfake.BrokerConfigs.
func BrokerConfig(settings map[string]string) Option {
	return func(c *config) { maps.Copy(c.settings, settings) }
}

// DataDir keeps the cluster's data in this directory, where the next cluster finds it again.
// Default: a temporary directory, which Close removes.
func DataDir(dir string) Option { return func(c *config) { c.dataDir, c.inMemory = dir, false } }

// InMemory keeps the cluster's data in memory and not in a directory: it starts quicker, and what
// is written to it stays in memory.
func InMemory() Option { return func(c *config) { c.inMemory = true } }

// Cluster gives options to kfake itself, such as kfake.EnableSASL, kfake.TLS, kfake.Ports or
// kfake.ListenFn. They come last, and so win over the others.
func Cluster(opts ...kfake.Opt) Option {
	return func(c *config) { c.cluster = append(c.cluster, opts...) }
}

// Open starts a cluster on free ports of the loopback interface. It has started when Open returns,
// and is to be closed.
func Open(opts ...Option) (*Broker, error) {
	c := config{brokers: 1, partitions: 1, settings: map[string]string{}}
	for _, opt := range opts {
		opt(&c)
	}
	if c.brokers < 1 || c.partitions < 1 {
		return nil, fmt.Errorf("vicuna: embedded: a cluster of %d brokers whose topics have %d partitions: both are at least 1", c.brokers, c.partitions)
	}
	b := &Broker{}
	if c.dataDir == "" && !c.inMemory {
		dir, err := os.MkdirTemp("", "vicuna-broker-")
		if err != nil {
			return nil, fmt.Errorf("vicuna: embedded: no place for the data: %w", err)
		}
		c.dataDir, b.files = dir, dir
	}
	all := append([]kfake.Opt{
		kfake.NumBrokers(c.brokers), kfake.DefaultNumPartitions(c.partitions), kfake.AllowAutoTopicCreation(), kfake.BrokerConfigs(c.settings),
	}, c.seeds...)
	if !c.inMemory {
		all = append(all, kfake.DataDir(c.dataDir))
	}
	cluster, err := kfake.NewCluster(append(all, c.cluster...)...)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("vicuna: embedded: the cluster did not start: %w", err), b.removeFiles())
	}
	b.cluster, b.addrs = cluster, cluster.ListenAddrs()
	return b, nil
}

// Addrs returns the brokers' addresses as host:port, by node id.
func (b *Broker) Addrs() []string { return slices.Clone(b.addrs) }

// Bootstrap returns the broker's addresses as a setting for producers and consumers.
func (b *Broker) Bootstrap() settings.Option { return settings.Bootstrap(b.addrs...) }

// Cluster returns the kfake cluster, for what this package does not forward: creating topics,
// moving leaders, watching groups. After Close it must not be used.
func (b *Broker) Cluster() *kfake.Cluster { return b.cluster }

// Close stops the cluster, and removes the temporary directory. Clients that are still open find
// nobody any more. Closing again does nothing and returns the same.
func (b *Broker) Close() error {
	b.once.Do(func() {
		b.cluster.Close()
		b.err = b.removeFiles()
	})
	return b.err
}

func (b *Broker) removeFiles() error {
	if b.files == "" {
		return nil
	}
	if err := os.RemoveAll(b.files); err != nil {
		return fmt.Errorf("vicuna: embedded: the data is left behind: %w", err)
	}
	return nil
}
