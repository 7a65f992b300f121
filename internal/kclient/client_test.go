package kclient

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"github.com/vicuna-go/vicuna/internal/testlog"
	"github.com/vicuna-go/vicuna/settings"
)

func TestClientIsAsTheSettingsSay(t *testing.T) {
	cl := client(t, config(t, []string{"a:1", "b:2"}))
	s := Read(cl)
	require.Equal(t, []string{"a:1", "b:2"}, s.Bootstrap)
	require.Equal(t, "vicuna", s.ClientID)
	require.Equal(t, settings.AcksAll, s.Acks)
	require.True(t, s.Idempotent)
	require.Equal(t, []kgo.CompressionCodec{kgo.SnappyCompression(), kgo.NoCompression()}, s.Compression)
	require.Equal(t, 5*time.Millisecond, s.Linger)
	require.Equal(t, 1_000_012, s.BatchBytes)
	require.Equal(t, 10*time.Second, s.RequestTimeout)
	require.Zero(t, s.DeliveryTimeout, "not the client's: see Deadlines")
	require.Equal(t, 50_000, s.MaxBufferedRecords)
	require.Zero(t, s.MaxBufferedBytes)
	require.Empty(t, s.TransactionalID)
	require.False(t, s.ManualFlushing)
	require.False(t, s.TopicIgnored)
	require.True(t, s.ExplicitPartitions)
	require.True(t, s.EndsRecords)
	require.Equal(t, 250*time.Millisecond, cl.OptValue(kgo.MetadataMinAge))
	require.NoError(t, s.Shareable())

	s = Read(client(t, config(t, []string{"a:1"}, testlog.Silent(),
		settings.ClientID("me"), settings.Acks(settings.AcksLeader), settings.Compression(kgo.GzipCompression()),
		settings.Linger(0), settings.BatchBytes(1000), settings.RequestTimeout(time.Second), settings.Window(900_000, 1))))
	require.Equal(t, "me", s.ClientID)
	require.Equal(t, settings.AcksLeader, s.Acks)
	require.False(t, s.Idempotent)
	require.Equal(t, []kgo.CompressionCodec{kgo.GzipCompression()}, s.Compression)
	require.Zero(t, s.Linger)
	require.Equal(t, 1000, s.BatchBytes)
	require.Equal(t, time.Second, s.RequestTimeout)
	require.Equal(t, 1_000_000, s.MaxBufferedRecords, "above the window")
	require.True(t, s.EndsRecords)

	s = Read(client(t, config(t, []string{"a:1"}, testlog.Silent(), settings.Acks(settings.AcksNone))))
	require.Equal(t, settings.AcksNone, s.Acks)
}

func TestEveryOptionReadBackIsThere(t *testing.T) {
	// A value of another type would be read as zero.
	cl, err := kgo.NewClient(
		kgo.SeedBrokers("a:1"), kgo.ClientID("x"), kgo.RecordDeliveryTimeout(time.Hour), kgo.MaxBufferedBytes(7), kgo.MaxBufferedRecords(8),
		kgo.TransactionalID("tx"), kgo.ManualFlushing(), kgo.DefaultProduceTopic("t"), kgo.DefaultProduceTopicAlways(),
	)
	require.NoError(t, err)
	defer cl.Close()
	s := Read(cl)
	require.Equal(t, time.Hour, s.DeliveryTimeout)
	require.Equal(t, 7, s.MaxBufferedBytes)
	require.Equal(t, 8, s.MaxBufferedRecords)
	require.Equal(t, "tx", s.TransactionalID)
	require.True(t, s.ManualFlushing)
	require.True(t, s.TopicIgnored)
	require.False(t, s.ExplicitPartitions)
	require.False(t, s.EndsRecords)

	err = s.Shareable()
	for _, option := range []string{"kgo.TransactionalID", "kgo.ManualFlushing", "kgo.DefaultProduceTopicAlways"} {
		require.ErrorContains(t, err, option)
	}
	var ce *ClientError
	require.ErrorAs(t, err, &ce)
	require.Len(t, ce.Problems, 3)
	var p *settings.Problem
	require.ErrorAs(t, err, &p)

	records, bytes := s.FitWindow(45_000, 256<<20)
	require.Less(t, records, 8)
	require.Less(t, bytes, 7)
	records, bytes = Settings{MaxBufferedRecords: 50_000}.FitWindow(45_000, 256<<20)
	require.Equal(t, []int{45_000, 256 << 20}, []int{records, bytes})
}

func TestFaultySettingsMakeNoClient(t *testing.T) {
	_, err := NewProducerClient(settings.ProducerConfig{}, nil)
	var p *settings.Problem
	require.ErrorAs(t, err, &p)
}

func TestTheUsersOptionsComeBetween(t *testing.T) {
	cl := client(t, config(t, []string{"a:1"}, settings.ClientOptions(kgo.MetadataMinAge(time.Second), kgo.ProducerLinger(10*time.Millisecond))))
	require.Equal(t, time.Second, cl.OptValue(kgo.MetadataMinAge), "ours is a default")
	require.Equal(t, 5*time.Millisecond, Read(cl).Linger, "ours is the last word")
}

func TestWarningsAreLogged(t *testing.T) {
	j := &testlog.Log{}
	client(t, config(t, []string{"a:1"}, j.Option(), settings.Acks(settings.AcksLeader), settings.SASL(plain.Auth{User: "u", Pass: "hunter2"}.AsMechanism())))
	require.Contains(t, j.String(), "idempotence is off")
	require.Contains(t, j.String(), "PLAIN without TLS")
	require.NotContains(t, j.String(), "hunter2")
}

func TestFactory(t *testing.T) {
	boom := errors.New("boom")
	for name, c := range map[string]struct {
		factory settings.Factory
		says    []string
	}{
		"as ordered": {kgo.NewClient, nil},
		"with more": {func(opts ...kgo.Opt) (*kgo.Client, error) {
			return kgo.NewClient(append(opts, kgo.RequestRetries(1))...)
		}, nil},
		"fails":       {func(...kgo.Opt) (*kgo.Client, error) { return nil, boom }, []string{"boom"}},
		"nothing":     {func(...kgo.Opt) (*kgo.Client, error) { return nil, nil }, []string{"neither a client nor an error"}},
		"its own way": {func(...kgo.Opt) (*kgo.Client, error) { return kgo.NewClient(kgo.SeedBrokers("z:1")) }, []string{"Bootstrap", "ClientID", "Linger", "Partitioner", "WithHooks", "AllowIdempotentProduceCancellation"}},
		"knows better": {func(opts ...kgo.Opt) (*kgo.Client, error) {
			return kgo.NewClient(append(opts, kgo.ProducerLinger(0), kgo.MaxBufferedRecords(10), kgo.ManualFlushing())...)
		}, []string{"Linger (linger.ms) = 5ms: the client has 0s", "Window", "ManualFlushing"}},
	} {
		t.Run(name, func(t *testing.T) {
			cl, err := NewProducerClient(config(t, []string{"a:1"}, settings.ClientFactory(c.factory)), nil)
			if c.says == nil {
				require.NoError(t, err)
				cl.Close()
				return
			}
			for _, s := range c.says {
				require.ErrorContains(t, err, s)
			}
		})
	}
	_, err := NewProducerClient(config(t, []string{"a:1"}, settings.ClientFactory(func(...kgo.Opt) (*kgo.Client, error) { return nil, boom })), nil)
	require.ErrorIs(t, err, boom)
}

func TestContradictions(t *testing.T) {
	own := kgo.RoundRobinPartitioner()
	cl, err := kgo.NewClient(
		kgo.SeedBrokers("a:1"), kgo.ProducerLinger(7*time.Millisecond), kgo.MaxBufferedRecords(100), kgo.MaxBufferedBytes(1000),
		kgo.RecordPartitioner(settings.ExplicitFirst(own)),
	)
	require.NoError(t, err)
	defer cl.Close()
	s := Read(cl)
	require.True(t, s.ExplicitPartitions)
	for name, c := range map[string]struct {
		opt  settings.ProducerOption
		says string
	}{
		"defaults do not count": {settings.ClientOptions(), ""},
		"same linger":           {settings.Linger(7 * time.Millisecond), ""},
		"same partitioner":      {settings.Partitioner(own), ""},
		"same acks":             {settings.Acks(settings.AcksAll), ""},
		"small window":          {settings.Window(99, 999), ""},
		"linger":                {settings.Linger(0), "Linger (linger.ms) = 0s: the client has 7ms"},
		"acks":                  {settings.Acks(settings.AcksLeader), "Acks (acks) = 1: the client has all"},
		"idempotence":           {settings.Idempotence(false), "Idempotence (enable.idempotence) = false: the client has true"},
		"compression":           {settings.Compression(kgo.NoCompression()), "Compression"},
		"batch":                 {settings.BatchBytes(600), "BatchBytes (batch.size) = 600: the client has 1000012"},
		"request":               {settings.RequestTimeout(time.Second), "RequestTimeout"},
		"client id":             {settings.ClientID("me"), `ClientID (client.id) = "me": the client has "kgo"`},
		"partitioner":           {settings.Partitioner(kgo.StickyPartitioner()), "Partitioner"},
		"records":               {settings.Window(100, 1), "100 records: the client has room for 100"},
		"bytes":                 {settings.Window(1, 1000), "1000 bytes: the client has room for 1000"},
		"uncomparable":          {settings.Partitioner(uncomparable{}), "Partitioner"},
	} {
		t.Run(name, func(t *testing.T) {
			err := s.Contradiction(config(t, []string{"b:2", "a:1"}, c.opt))
			if c.says == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.says)
			var ce *ClientError
			require.ErrorAs(t, err, &ce)
			require.Len(t, ce.Problems, 1)
		})
	}
	require.ErrorContains(t, s.Contradiction(config(t, []string{"elsewhere:1"})), "Bootstrap")
}

type uncomparable []int

func (uncomparable) ForTopic(string) kgo.TopicPartitioner { return nil }

func TestTLSOverTheUsersDialer(t *testing.T) {
	serverTLS, clientTLS := certificates(t)
	k := cluster(t, 1, kfake.TLS(serverTLS))
	dialled := make(chan string, 100)
	dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
		dialled <- addr
		return new(net.Dialer).DialContext(ctx, network, addr)
	}
	require.NoError(t, Reach(t.Context(), client(t, config(t, k.ListenAddrs(), settings.TLS(clientTLS), settings.Dialer(dial)))))
	require.NotEmpty(t, dialled)
	require.NoError(t, Reach(t.Context(), client(t, config(t, k.ListenAddrs(), settings.TLS(clientTLS)))))

	err := Reach(t.Context(), client(t, config(t, k.ListenAddrs(), testlog.Silent(), settings.TLS(&tls.Config{}))))
	var verify *tls.CertificateVerificationError
	require.ErrorAs(t, err, &verify, "an unknown authority is refused")
}

func TestDialErrorsAreTheNetworks(t *testing.T) {
	boom := errors.New("boom")
	for name, dial := range map[string]settings.DialFunc{
		"fails":   func(context.Context, string, string) (net.Conn, error) { return nil, boom },
		"nothing": func(context.Context, string, string) (net.Conn, error) { return nil, nil },
		"hangs":   func(ctx context.Context, _, _ string) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config(t, []string{"a:1"}, testlog.Silent(), settings.Dialer(dial), settings.ClientOptions(kgo.DialTimeout(10*time.Millisecond)))
			w := newWatch(nil, cfg.Logger())
			defer w.OnClientClosed(nil)
			_, err := dialer(cfg, w)(t.Context(), "tcp", "a:1")
			var op *net.OpError
			require.ErrorAs(t, err, &op)
			require.Equal(t, "dial", op.Op)
			require.NotErrorIs(t, err, context.DeadlineExceeded, "franz-go would take it for a request that was given up")
			require.Equal(t, name == "hangs", op.Timeout())
		})
	}
}
