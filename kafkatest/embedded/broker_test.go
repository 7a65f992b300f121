package embedded_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"github.com/vicuna-go/vicuna/internal/tempdir"
	"github.com/vicuna-go/vicuna/kafkatest/embedded"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// client is a plain one.
func client(t *testing.T, b *embedded.Broker, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append(opts, kgo.SeedBrokers(b.Addrs()...), kgo.DisableClientMetrics())...)
	require.NoError(t, err)
	t.Cleanup(cl.Close)
	return cl
}

func write(t *testing.T, b *embedded.Broker, topic, value string) {
	t.Helper()
	require.NoError(t, client(t, b).ProduceSync(t.Context(), &kgo.Record{Topic: topic, Value: []byte(value)}).FirstErr())
}

func read(t *testing.T, b *embedded.Broker, topic string) string {
	t.Helper()
	fetches := client(t, b, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart())).PollFetches(t.Context())
	require.NoError(t, fetches.Err())
	return string(fetches.Records()[0].Value)
}

// A program's broker leaves nothing behind, whatever it keeps its data in.
func TestOpen(t *testing.T) {
	for name, opts := range map[string][]embedded.Option{
		"files": nil, "memory": {embedded.InMemory()}, "three brokers": {embedded.Brokers(3), embedded.Partitions(2)},
	} {
		t.Run(name, func(t *testing.T) {
			tmp := tempdir.Own(t)
			b, err := embedded.Open(append(opts, embedded.Topics(4, "orders"))...)
			require.NoError(t, err)
			write(t, b, "orders", "one")
			require.Equal(t, "one", read(t, b, "orders"))
			require.NoError(t, b.Close())
			require.NoError(t, b.Close())
			left, err := os.ReadDir(tmp)
			require.NoError(t, err)
			require.Empty(t, left)
		})
	}
}

// A directory of the user's is kept, and found again.
func TestDataDir(t *testing.T) {
	dir := t.TempDir()
	b, err := embedded.Open(embedded.DataDir(dir), embedded.Topics(1, "orders"))
	require.NoError(t, err)
	write(t, b, "orders", "one")
	require.NoError(t, b.Close())
	b, err = embedded.Open(embedded.DataDir(dir))
	require.NoError(t, err)
	require.Equal(t, "one", read(t, b, "orders"))
	require.NoError(t, b.Close())
}

// What cannot be started is told, and leaves nothing behind.
func TestOpenFails(t *testing.T) {
	tmp := tempdir.Own(t)
	_, err := embedded.Open(embedded.Brokers(0), embedded.Partitions(-1))
	require.ErrorContains(t, err, "vicuna: embedded: a cluster of 0 brokers whose topics have -1 partitions")

	taken, err := embedded.Open(embedded.InMemory())
	require.NoError(t, err)
	defer func() { require.NoError(t, taken.Close()) }()
	var port int
	_, err = fmt.Sscanf(taken.Addrs()[0], "127.0.0.1:%d", &port)
	require.NoError(t, err)
	_, err = embedded.Open(embedded.Cluster(kfake.Ports(port)))
	require.ErrorContains(t, err, "vicuna: embedded: the cluster did not start")
	left, err := os.ReadDir(tmp)
	require.NoError(t, err)
	require.Empty(t, left)
}

// A program that embeds a broker has no test packages in it.
func TestNoTestPackages(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").CombinedOutput()
	require.NoError(t, err, string(out))
	for _, dep := range strings.Fields(string(out)) {
		require.NotEqual(t, "testing", dep)
		require.NotContains(t, dep, "testify")
	}
}
