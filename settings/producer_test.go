package settings

import (
	"crypto/tls"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"github.com/vicuna-go/vicuna/serde"
)

func TestDefaults(t *testing.T) {
	ps := valid()
	require.NoError(t, ps.Err())
	require.Equal(t, []string{"localhost:9092"}, ps.Bootstrap())
	require.Equal(t, "vicuna", ps.ClientID())
	require.Equal(t, AcksAll, ps.Acks())
	require.True(t, ps.Idempotent())
	require.Equal(t, []kgo.CompressionCodec{kgo.SnappyCompression(), kgo.NoCompression()}, ps.Compression())
	require.Equal(t, 5*time.Millisecond, ps.Linger())
	require.False(t, ps.Given("Linger"))
	require.Equal(t, 1_000_012, ps.BatchBytes())
	records, bytes := ps.Window()
	require.Equal(t, 45_000, records)
	require.Equal(t, 256<<20, bytes)
	require.Equal(t, 10*time.Second, ps.CloseTimeout())
	require.Equal(t, 2*time.Minute, ps.DeliveryTimeout())
	require.Equal(t, 10*time.Second, ps.RequestTimeout())
	require.Equal(t, 10*time.Second, ps.DialTimeout())
	require.NotNil(t, ps.Partitioner())
	require.Same(t, slog.Default(), ps.Logger())
	require.Nil(t, ps.Dialer())
	require.Nil(t, ps.TLS())
	require.Nil(t, ps.ClientFactory())
	require.Empty(t, ps.SASL())
	require.Empty(t, ps.ClientOptions())
}

func TestOptionsAreReadBack(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	own := &tls.Config{ServerName: "kafka"}
	ps := NewProducer(serde.Int64(), serde.Bytes(),
		Bootstrap("a:1,b:2", "c:3"), ClientID("me"), Dialer(dialNothing), TLS(own),
		SASL(plain.Auth{User: "u", Pass: "p"}.AsMechanism()), Logger(log), ClientOptions(kgo.DialTimeout(time.Second)),
		Acks(AcksNone), Compression(kgo.NoCompression()), Linger(time.Second), BatchBytes(1000), Window(7, 8),
		CloseTimeout(3*time.Second), DeliveryTimeout(time.Minute), RequestTimeout(4*time.Second),
		ClientFactory(kgo.NewClient),
	)
	require.NoError(t, ps.Err())
	require.Equal(t, []string{"a:1", "b:2", "c:3"}, ps.Bootstrap())
	require.Equal(t, "me", ps.ClientID())
	require.NotNil(t, ps.Dialer())
	require.Equal(t, "kafka", ps.TLS().ServerName)
	require.NotSame(t, own, ps.TLS())
	require.Len(t, ps.SASL(), 1)
	require.Same(t, log, ps.Logger())
	require.Equal(t, time.Second, ps.DialTimeout())
	require.Equal(t, AcksNone, ps.Acks())
	require.False(t, ps.Idempotent())
	require.Equal(t, []kgo.CompressionCodec{kgo.NoCompression()}, ps.Compression())
	require.Equal(t, time.Second, ps.Linger())
	require.True(t, ps.Given("Linger"))
	require.Equal(t, 1000, ps.BatchBytes())
	records, bytes := ps.Window()
	require.Equal(t, []int{7, 8}, []int{records, bytes})
	require.Equal(t, 3*time.Second, ps.CloseTimeout())
	require.Equal(t, time.Minute, ps.DeliveryTimeout())
	require.Equal(t, 4*time.Second, ps.RequestTimeout())
	require.NotNil(t, ps.ClientFactory())
	require.Equal(t, serde.Int64(), ps.KeySerde())
	require.Equal(t, serde.Bytes(), ps.ValueSerde())
}

func TestWithMakesACopy(t *testing.T) {
	base := valid(Linger(time.Second), ClientOptions(kgo.RequestRetries(1)))
	faster := base.With(Linger(0), ClientOptions(kgo.RequestRetries(2)))
	require.NoError(t, faster.Err(), "With replaces, it does not contradict")
	require.Zero(t, faster.Linger())
	require.Len(t, faster.ClientOptions(), 2)
	require.Equal(t, time.Second, base.Linger())
	require.Len(t, base.ClientOptions(), 1)
	require.True(t, faster.With().Given("Linger"))
	require.False(t, valid().With(Acks(AcksAll)).Given("Linger"))

	base = valid(ClientOptions(kgo.RequestRetries(1)), ClientOptions(kgo.RequestRetries(2)), ClientOptions(kgo.RequestRetries(3)))
	a, b := base.With(ClientOptions(kgo.Rack("a"))), base.With(ClientOptions(kgo.Rack("b")))
	for want, ps := range map[string]Producer[string, string]{"a": a, "b": b} {
		cl, err := kgo.NewClient(ps.ClientOptions()...)
		require.NoError(t, err)
		require.Equal(t, want, cl.OptValue(kgo.Rack))
		cl.Close()
	}
}

func TestWithIsCheckedAnew(t *testing.T) {
	bad := valid(Linger(-1), Dialer(nil))
	require.Error(t, bad.Err())
	mended := bad.With(Linger(0), Dialer(dialNothing))
	require.NoError(t, mended.Err())
	require.NotNil(t, mended.Dialer())
	problem(t, bad.With(Linger(0)).Err(), "Dialer")
	problem(t, valid().With(Linger(-1)).Err(), "Linger")
	problem(t, NewProducer[string](serde.String(), serde.Serde[string](nil), Bootstrap("a:1")).With(Linger(0)).Err(), "value serde")
}

func TestNothingHandedOutChangesTheSettings(t *testing.T) {
	addrs := []string{"a:1"}
	ps := NewProducer(serde.String(), serde.String(), Bootstrap(addrs...), ClientOptions(kgo.RequestRetries(1)))
	addrs[0] = "evil:1"
	ps.Bootstrap()[0] = "evil:1"
	ps.Compression()[0] = kgo.NoCompression()
	ps.ClientOptions()[0] = nil
	require.Equal(t, []string{"a:1"}, ps.Bootstrap())
	require.Equal(t, kgo.SnappyCompression(), ps.Compression()[0])
	require.NotNil(t, ps.ClientOptions()[0])
}

func TestOptionsFitBothSides(t *testing.T) {
	var c consumerConfig
	c.seen, c.chosen = map[string]string{}, map[string]struct{}{}
	for _, o := range []ConsumerOption{Bootstrap("a:1"), ClientID("me"), ClientOptions()} {
		o.applyConsumer(&c)
	}
	require.Equal(t, []string{"a:1"}, c.bootstrap)
	require.Equal(t, "me", c.clientID)
}
