package docs_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/producer"
	"github.com/vicuna-go/vicuna/serde"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// What the pages say and no snippet shows.

func slogDiscard() *slog.Logger { return slog.New(slog.DiscardHandler) }

func element(t *testing.T, ps settings.Producer[string, string]) *producer.Element[string, string] {
	p, err := producer.NewElement(ps)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close(context.Background())) })
	return p
}

// One address leads to all brokers of a cluster, and one Element serves all topics and partitions.
func TestAnyBrokerLeadsToAll(t *testing.T) {
	k := kafkatest.Start(t, kafkatest.Brokers(3), kafkatest.Topics(6, "a", "b", "c"))
	leaders := map[int32]bool{}
	p := element(t, settings.NewProducer(serde.String(), serde.String(), settings.Bootstrap(k.Addrs()[1])))
	for _, topic := range []string{"a", "b", "c"} {
		for partition := range int32(6) {
			rec := newRecord(topic, "key", "value")
			rec.Partition = envelope.ToPartition(partition)
			md, err := p.Send(t.Context(), rec)
			require.NoError(t, err)
			require.Equal(t, []any{topic, partition, int64(0)}, []any{md.Topic, md.Partition, md.Offset})
			leaders[k.Cluster().LeaderFor(topic, partition)] = true
		}
	}
	require.Len(t, leaders, 3, "every broker leads some of them")
}

func TestAcknowledgementLevels(t *testing.T) {
	k := kafkatest.Start(t, kafkatest.Topics(1, "words"))
	asked := make(chan int16, 10)
	k.Cluster().ControlKey(int16(kmsg.Produce), func(req kmsg.Request) (kmsg.Response, error, bool) {
		k.Cluster().KeepControl()
		asked <- req.(*kmsg.ProduceRequest).Acks
		return nil, nil, false
	})
	silent := settings.Logger(slogDiscard())
	for i, c := range []struct {
		level settings.AckLevel
		asks  int16
	}{{settings.AcksAll, -1}, {settings.AcksLeader, 1}, {settings.AcksNone, 0}} {
		ps := settings.NewProducer(serde.String(), serde.String(), k.Bootstrap(), settings.Acks(c.level), silent)
		require.Equal(t, c.level == settings.AcksAll, ps.Idempotent())
		md, err := element(t, ps).Send(t.Context(), newRecord("words", "a", "a"))
		require.NoError(t, err)
		require.Equal(t, c.asks, <-asked, "%v", c.level)
		if c.level != settings.AcksNone {
			require.EqualValues(t, i, md.Offset, "%v", c.level)
		}
	}
	kafkatest.Expect(t, k, "words", serde.String(), serde.String(), 3)
}

// batches is a hook that tells of what is written. The client may call it after the
// acknowledgement.
type batches chan batch

type batch struct {
	partition int32
	kgo.ProduceBatchMetrics
}

func (b batches) OnProduceBatchWritten(_ kgo.BrokerMetadata, _ string, partition int32, m kgo.ProduceBatchMetrics) {
	b <- batch{partition, m}
}

func words(topic string, n int) []*envelope.Record[string, string] {
	recs := make([]*envelope.Record[string, string], n)
	for i := range recs {
		recs[i] = newRecord(topic, fmt.Sprint("key-", i%10), strings.Repeat("vicuña ", 20)+fmt.Sprint(i))
	}
	return recs
}

// Records of a partition go together, compressed as a whole, by the codec and level that was asked
// for.
func TestBatches(t *testing.T) {
	k := kafkatest.Start(t, kafkatest.Topics(3, "words"))
	const n = 3000
	total := 0
	for name, c := range map[string]struct {
		codec kgo.CompressionCodec
		is    uint8
	}{
		"none": {kgo.NoCompression(), 0}, "gzip": {kgo.GzipCompression(), 1}, "gzip at level 1": {kgo.GzipCompression().WithLevel(1), 1},
		"snappy": {kgo.SnappyCompression(), 2}, "lz4": {kgo.Lz4Compression(), 3}, "lz4 at level 9": {kgo.Lz4Compression().WithLevel(9), 3},
		"zstd": {kgo.ZstdCompression(), 4},
	} {
		t.Run(name, func(t *testing.T) {
			hook := make(batches, n)
			ps := settings.NewProducer(serde.String(), serde.String(), k.Bootstrap(), settings.Compression(c.codec), settings.Linger(20*time.Millisecond),
				settings.BatchBytes(50_000), settings.ClientOptions(kgo.WithHooks(hook)))
			require.NoError(t, stream.FromSlice(words("words", n)).To(producer.PlainSink(ps)).Run(t.Context()))
			partitions := map[int32]bool{}
			written, records, uncompressed, compressed := 0, 0, 0, 0
			for ; records < n; written++ {
				b := <-hook
				require.Equal(t, c.is, b.CompressionType)
				require.LessOrEqual(t, b.UncompressedBytes, 50_000, "larger than was allowed")
				partitions[b.partition] = true
				records, uncompressed, compressed = records+b.NumRecords, uncompressed+b.UncompressedBytes, compressed+b.CompressedBytes
			}
			require.Equal(t, n, records)
			require.Len(t, partitions, 3, "a batch is one partition's")
			require.Less(t, written, n/20, "they go together")
			require.Equal(t, c.is != 0, compressed < uncompressed/2)
		})
		total += n
	}
	require.Len(t, kafkatest.ReadAll(t, k, "words"), total)
}

// backwards is a codec of somebody's own, which says that it does nothing.
type backwards struct{ calls atomic.Int32 }

func (b *backwards) Compress(dst *bytes.Buffer, src []byte, _ ...kgo.CompressFlag) ([]byte, kgo.CompressionCodecType) {
	b.calls.Add(1)
	dst.Write(src)
	return dst.Bytes(), kgo.CodecNone
}

func TestOwnCodec(t *testing.T) {
	k, ps := broker(t, "words")
	codec := &backwards{}
	ps = ps.With(settings.ClientOptions(kgo.WithCompressor(codec)))
	require.NoError(t, stream.FromSlice(words("words", 100)).To(producer.PlainSink(ps)).Run(t.Context()))
	require.Positive(t, codec.calls.Load())
	require.Len(t, kafkatest.ReadAll(t, k, "words"), 100)
}

// How often a record is tried again.
func TestRetryOptions(t *testing.T) {
	k, ps := broker(t, "words")
	fails := k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.NotEnoughReplicas, Count: -1})
	ps = ps.With(settings.ClientOptions(kgo.RecordRetries(3)))
	_, err := element(t, ps).Send(t.Context(), newRecord("words", "a", "a"))
	require.ErrorIs(t, err, kerr.NotEnoughReplicas)
	require.GreaterOrEqual(t, fails.Hits(), 3)

	_, err = element(t, ps.With(settings.ClientOptions(kgo.RecordRetries(0)))).Send(t.Context(), newRecord("words", "a", "a"))
	require.ErrorIs(t, err, kerr.NotEnoughReplicas, "at once")
}

// Without idempotence one request is in flight to a broker, and retries do not reorder.
func TestOrderWithoutIdempotence(t *testing.T) {
	k := kafkatest.Start(t, kafkatest.Topics(1, "words"))
	k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.NotLeaderForPartition, Count: 5})
	ps := settings.NewProducer(serde.String(), serde.String(), k.Bootstrap(), settings.Idempotence(false), settings.BatchBytes(2000), settings.Linger(0))
	recs := words("words", 2000)
	require.NoError(t, stream.FromSlice(recs).To(producer.PlainSink(ps)).Run(t.Context()))
	got := kafkatest.ReadAll(t, k, "words")
	require.Len(t, got, len(recs))
	for i, r := range got {
		require.Equal(t, recs[i].Value, string(r.Value))
	}
}

// Missing topics are created only by a client that was told so.
func TestTopicCreation(t *testing.T) {
	k, ps := broker(t)
	p := element(t, ps.With(settings.ClientOptions(kgo.AllowAutoTopicCreation())))
	_, err := p.Send(t.Context(), newRecord("created", "a", "a"))
	require.NoError(t, err)
	require.NotNil(t, k.Cluster().TopicInfo("created"))

	hurried := ps.With(settings.RequestTimeout(500*time.Millisecond), settings.DeliveryTimeout(time.Second))
	_, err = element(t, hurried).Send(t.Context(), newRecord("missing", "a", "a"))
	require.ErrorIs(t, err, kerr.UnknownTopicOrPartition)
	require.Nil(t, k.Cluster().TopicInfo("missing"))
}

// The client's name is in what is sent to the brokers.
func TestClientIDReachesTheBrokers(t *testing.T) {
	k, ps := broker(t, "words")
	var mu sync.Mutex
	var sent []byte
	ps = ps.With(settings.ClientID("billing-7"), settings.Dialer(func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, addr)
		return &tapped{conn, func(b []byte) {
			mu.Lock()
			defer mu.Unlock()
			sent = append(sent, b...)
		}}, err
	}))
	_, err := element(t, ps).Send(t.Context(), newRecord("words", "a", "a"))
	require.NoError(t, err)
	_ = k
	mu.Lock()
	defer mu.Unlock()
	require.Contains(t, string(sent), "billing-7")
}

type tapped struct {
	net.Conn
	tap func([]byte)
}

func (c *tapped) Write(b []byte) (int, error) {
	c.tap(b)
	return c.Conn.Write(b)
}

// TLS 1.3, the broker's name verified, and a login with PLAIN whose password comes from the
// environment.
func TestSecurity(t *testing.T) {
	cert, pool := certificate(t, "127.0.0.1")
	k := kafkatest.Start(t,
		kafkatest.TLS(&tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS13}),
		kafkatest.Cluster(kfake.EnableSASL(), kfake.Superuser("PLAIN", "ada", "secret")),
		kafkatest.Clients(kgo.DialTLSConfig(&tls.Config{RootCAs: pool}), kgo.SASL(plain.Auth{User: "ada", Pass: "secret"}.AsMechanism())),
		kafkatest.Topics(1, "words"))
	t.Setenv("KAFKA_PASSWORD", "secret")
	login := settings.SASL(plain.Plain(func(context.Context) (plain.Auth, error) {
		return plain.Auth{User: "ada", Pass: os.Getenv("KAFKA_PASSWORD")}, nil
	}))
	secure := func(cfg *tls.Config) settings.Producer[string, string] {
		return settings.NewProducer(serde.String(), serde.String(), k.Bootstrap(), settings.TLS(cfg), login, settings.Logger(slogDiscard()))
	}
	reach := func(ps settings.Producer[string, string]) error {
		cl, err := producer.NewClient(ps)
		require.NoError(t, err)
		defer func() { require.NoError(t, cl.Close(t.Context())) }()
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		return cl.Reach(ctx)
	}

	_, err := element(t, secure(&tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS13})).Send(t.Context(), newRecord("words", "a", "a"))
	require.NoError(t, err)
	require.Len(t, kafkatest.ReadAll(t, k, "words"), 1)

	var name x509.HostnameError
	require.ErrorAs(t, reach(secure(&tls.Config{RootCAs: pool, ServerName: "elsewhere.example"})), &name)
	require.Error(t, reach(secure(&tls.Config{RootCAs: pool, MaxVersion: tls.VersionTLS12})), "an older version")
	t.Setenv("KAFKA_PASSWORD", "guessed")
	require.Error(t, reach(secure(&tls.Config{RootCAs: pool})), "another password")
}

// certificate makes a certificate of its own authority for an address.
func certificate(t *testing.T, ip string) (tls.Certificate, *x509.CertPool) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, IPAddresses: []net.IP{net.ParseIP(ip)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	parsed, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}
