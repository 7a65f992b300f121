package kafkatest

import (
	"context"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Broker is a cluster for one test: one broker, unless [Brokers] says otherwise.
// Its methods are safe for concurrent use; those that can fail the test belong on
// the test's goroutine.
type Broker struct {
	// Fixed once it has started.
	t       testing.TB
	cfg     config
	network *network
	virtual *kfake.VirtualNetwork // nil on TCP
	addrs   []string
	ports   []int

	// running guards cluster. It is held while the cluster starts and stops,
	// which a bubble's time need not wait for.
	running sync.Mutex
	cluster *kfake.Cluster // nil: killed
}

// Start starts a cluster on loopback TCP, with free ports. It is stopped when the
// test ends, after the test's own cleanups. Clients that the test leaves open find
// their connections cut.
func Start(t testing.TB, opts ...Option) *Broker {
	t.Helper()
	return start(t, nil, config{
		broker:   map[string]string{"group.consumer.heartbeat.interval.ms": "100"},
		patience: 20 * time.Second,
	}, opts)
}

// virtualPort is the first broker's port on a virtual network, where all ports
// are free.
const virtualPort = 9092

func start(t testing.TB, virtual *kfake.VirtualNetwork, cfg config, opts []Option) *Broker {
	t.Helper()
	cfg.brokers, cfg.partitions = 1, 1
	for _, opt := range opts {
		opt(&cfg)
	}
	if cfg.dataDir == "" && !cfg.inMemory {
		cfg.dataDir = t.TempDir() // before our own cleanup, so removed after it
	}
	k := &Broker{t: t, cfg: cfg, virtual: virtual}
	listen := net.Listen
	if virtual != nil {
		listen = virtual.Listen
		for i := range cfg.brokers {
			k.ports = append(k.ports, virtualPort+i)
		}
	}
	k.network = newNetwork(listen, cfg.tls)
	t.Cleanup(k.stop)
	k.running.Lock()
	defer k.running.Unlock()
	k.run(t)
	k.addrs, k.ports = k.cluster.ListenAddrs(), nil
	for _, addr := range k.addrs {
		_, port, err := net.SplitHostPort(addr)
		require.NoError(t, err)
		n, err := strconv.Atoi(port)
		require.NoError(t, err)
		k.ports = append(k.ports, n)
	}
	return k
}

// run starts a cluster, on the ports of the one before where there was one. The
// caller holds running.
func (k *Broker) run(t testing.TB) {
	t.Helper()
	opts := []kfake.Opt{
		kfake.AllowAutoTopicCreation(),
		kfake.DefaultNumPartitions(k.cfg.partitions),
		kfake.GroupMinSessionTimeout(10 * time.Millisecond),
		kfake.BrokerConfigs(k.cfg.broker),
	}
	opts = append(opts, versions(t, k.cfg.version)...)
	opts = append(opts, k.cfg.seeds...)
	opts = append(opts, k.cfg.cluster...)
	opts = append(opts, kfake.ListenFn(k.network.Listen), kfake.NumBrokers(k.cfg.brokers), kfake.Ports(k.ports...))
	if !k.cfg.inMemory {
		opts = append(opts, kfake.DataDir(k.cfg.dataDir))
	}
	k.network.up()
	cluster, err := kfake.NewCluster(opts...)
	require.NoError(t, err, "kafkatest: the cluster did not start")
	k.cluster = cluster
}

func (k *Broker) stop() {
	k.running.Lock()
	defer k.running.Unlock()
	k.network.down()
	if k.cluster != nil {
		k.cluster.Close()
		k.cluster = nil
	}
}

// Cluster returns the kfake cluster, for what this package does not forward:
// moving leaders, watching groups, control functions. After a [Broker.Restart] it
// is another one. Fails the test while the broker is killed (a dead kfake cluster
// answers such calls by waiting for ever).
func (k *Broker) Cluster() *kfake.Cluster {
	k.t.Helper()
	k.running.Lock()
	defer k.running.Unlock()
	if k.cluster == nil {
		k.t.Fatal("kafkatest: the broker was killed; Restart it first")
	}
	return k.cluster
}

// Addrs returns the brokers' addresses as host:port, by node id. They stay the
// same for the broker's life, restarts included.
func (k *Broker) Addrs() []string { return append([]string(nil), k.addrs...) }

// ClientOptions returns what a plain kgo client needs to reach the broker: its
// addresses, the virtual network's dialer in a bubble, and a metadata age of 50 ms,
// since with kgo's own 5 s a client can wait that long for a topic that was just
// created.
func (k *Broker) ClientOptions() []kgo.Opt {
	opts := []kgo.Opt{
		kgo.SeedBrokers(k.addrs...),
		kgo.MetadataMinAge(50 * time.Millisecond),
		kgo.DisableClientMetrics(),
	}
	if k.virtual != nil {
		opts = append(opts, kgo.Dialer(k.virtual.DialContext))
	}
	return append(opts, k.cfg.clients...)
}

// CreateTopic creates a topic. Partitions below 1 mean the default (see
// [Partitions]).
func (k *Broker) CreateTopic(t testing.TB, name string, partitions int) {
	t.Helper()
	require.NoError(t, k.Cluster().CreateTopic(name, int32(partitions), nil), "kafkatest: creating topic %q", name)
}

// client returns a plain client, which the caller closes.
func (k *Broker) client(t testing.TB, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append(k.ClientOptions(), opts...)...)
	require.NoError(t, err)
	return cl
}

// bounded returns a context for one wait of this package.
func (k *Broker) bounded(t testing.TB) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), k.cfg.patience)
}
