package kclient

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"github.com/vicuna-go/vicuna/serde"
	"github.com/vicuna-go/vicuna/settings"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// config returns the settings of a producer at addrs.
func config(t *testing.T, addrs []string, opts ...settings.ProducerOption) settings.ProducerConfig {
	t.Helper()
	ps := settings.NewProducer(serde.String(), serde.String(), append([]settings.ProducerOption{settings.Bootstrap(addrs...)}, opts...)...)
	require.NoError(t, ps.Err())
	return ps.ProducerConfig
}

// client returns a client that is closed at the end.
func client(t *testing.T, cfg settings.ProducerConfig) *kgo.Client {
	t.Helper()
	cl, err := NewProducerClient(cfg, nil)
	require.NoError(t, err)
	t.Cleanup(cl.Close)
	return cl
}

// cluster returns a broker with topic t of n partitions.
func cluster(t *testing.T, n int32, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	k, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1), kfake.SeedTopics(n, "t")}, opts...)...)
	require.NoError(t, err)
	t.Cleanup(k.Close)
	return k
}

// closedPort returns an address where nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

// link dials and can be cut: what is open closes, and what follows is refused.
type link struct {
	mu    sync.Mutex
	cut   bool
	conns []net.Conn
}

func (l *link) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cut {
		return nil, errCut
	}
	conn, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err == nil {
		l.conns = append(l.conns, conn)
	}
	return conn, err
}

func (l *link) set(cut bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut = cut
	for _, c := range l.conns {
		c.Close()
	}
	l.conns = nil
}

type cutError struct{}

func (cutError) Error() string { return "the link is cut" }

var errCut = cutError{}

// outcome is what a promise was told.
type outcome struct {
	record kgo.Record
	err    error
	at     time.Time
}

// send produces r and returns where its outcome will be, explained.
func send(cl *kgo.Client, d *Deadlines, timeout time.Duration, r *kgo.Record) <-chan outcome {
	ch := make(chan outcome, 1)
	named := r.Partition
	cl.Produce(d.Context(time.Now()), r, func(r *kgo.Record, err error) {
		ch <- outcome{*r, Explain(cl, r, named, timeout, err), time.Now()}
	})
	return ch
}

// hangingDialer gives up when it is told to, and no sooner.
func hangingDialer(ctx context.Context, _, _ string) (net.Conn, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// reading returns the settings of a consumer at addrs.
func reading(t *testing.T, addrs []string, opts ...settings.ConsumerOption) settings.ConsumerConfig {
	t.Helper()
	cs := settings.NewConsumer(serde.String(), serde.String(), append([]settings.ConsumerOption{settings.Bootstrap(addrs...)}, opts...)...)
	require.NoError(t, cs.Err())
	return cs.ConsumerConfig
}
