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

// reading returns settings of a consumer that are faultless but for opts.
func reading(opts ...ConsumerOption) Consumer[string, string] {
	return NewConsumer(serde.String(), serde.String(), append([]ConsumerOption{Bootstrap("localhost:9092")}, opts...)...)
}

func TestConsumerDefaults(t *testing.T) {
	cs := reading()
	require.NoError(t, cs.Err(), "no group is no fault here")
	require.Empty(t, cs.Warnings())
	require.Equal(t, []string{"localhost:9092"}, cs.Bootstrap())
	require.Equal(t, "vicuna", cs.ClientID())
	require.Empty(t, cs.Group())
	require.Empty(t, cs.InstanceID())
	require.Equal(t, CooperativeSticky, cs.Protocol())
	require.Equal(t, ReadUncommitted, cs.Isolation())
	require.Equal(t, Earliest, cs.StartFrom())
	require.Equal(t, FailOutOfRange, cs.OutOfRange())
	require.Equal(t, FailUndecodable, cs.Undecodable())
	bytes, records := cs.Budget()
	require.Equal(t, 128<<20, bytes)
	require.Equal(t, 1_000_000, records)
	require.Equal(t, 16<<20, cs.FetchMaxBytes())
	require.Equal(t, 128<<20, cs.DecompressMaxBytes())
	require.Equal(t, 20*time.Second, cs.RevokeTimeout())
	require.Equal(t, time.Minute, cs.RebalanceTimeout())
	require.Equal(t, 45*time.Second, cs.SessionTimeout())
	require.Equal(t, 3*time.Second, cs.HeartbeatInterval())
	require.Equal(t, 250*time.Millisecond, cs.FetchMaxWait())
	require.Equal(t, 1, cs.FetchMinBytes())
	require.Equal(t, 15*time.Second, cs.CommitTimeout())
	require.Equal(t, 5*time.Second, cs.HandlerWarning())
	require.Equal(t, time.Minute, cs.StuckAfter())
	require.Equal(t, 30*time.Second, cs.StartTimeout())
	require.Equal(t, 262_144, cs.TrackLimit())
	require.Equal(t, 10*time.Second, cs.CloseTimeout())
	require.Equal(t, 10*time.Second, cs.RequestTimeout())
	require.Equal(t, 10*time.Second, cs.DialTimeout())
	require.Same(t, slog.Default(), cs.Logger())
	require.Nil(t, cs.Dialer())
	require.Nil(t, cs.TLS())
	require.Nil(t, cs.ClientFactory())
	require.Empty(t, cs.SASL())
	require.Empty(t, cs.ClientOptions())
	require.False(t, cs.Given("Group"))
}

func TestConsumerOptionsAreReadBack(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	own := &tls.Config{ServerName: "kafka"}
	cs := NewConsumer(serde.Int64(), serde.Bytes(),
		Bootstrap("a:1,b:2"), ClientID("me"), Dialer(dialNothing), TLS(own),
		SASL(plain.Auth{User: "u", Pass: "p"}.AsMechanism()), Logger(log), ClientOptions(kgo.DialTimeout(time.Second)),
		Group("g"), InstanceID("i-1"), Protocol(Eager), Isolation(ReadCommitted), StartFrom(Latest), OutOfRange(ToLatest),
		Undecodable(DeliverUndecodable), Budget(80<<20, 7), RevokeTimeout(time.Second), RebalanceTimeout(30*time.Second),
		SessionTimeout(9*time.Second), HeartbeatInterval(2*time.Second), FetchMaxWait(time.Second), FetchMinBytes(5),
		CommitTimeout(4*time.Second), HandlerWarning(6*time.Second), StuckAfter(7*time.Second), StartTimeout(9*time.Second), TrackLimit(8),
		CloseTimeout(11*time.Second), RequestTimeout(12*time.Second), ClientFactory(kgo.NewClient),
	)
	require.NoError(t, cs.Err())
	require.Empty(t, cs.Warnings())
	require.Equal(t, []string{"a:1", "b:2"}, cs.Bootstrap())
	require.Equal(t, "me", cs.ClientID())
	require.NotNil(t, cs.Dialer())
	require.Equal(t, "kafka", cs.TLS().ServerName)
	require.NotSame(t, own, cs.TLS())
	require.Len(t, cs.SASL(), 1)
	require.Same(t, log, cs.Logger())
	require.Len(t, cs.ClientOptions(), 1)
	require.Equal(t, time.Second, cs.DialTimeout())
	require.Equal(t, "g", cs.Group())
	require.Equal(t, "i-1", cs.InstanceID())
	require.Equal(t, Eager, cs.Protocol())
	require.Equal(t, ReadCommitted, cs.Isolation())
	require.Equal(t, Latest, cs.StartFrom())
	require.Equal(t, ToLatest, cs.OutOfRange())
	require.Equal(t, DeliverUndecodable, cs.Undecodable())
	bytes, records := cs.Budget()
	require.Equal(t, []int{80 << 20, 7}, []int{bytes, records})
	require.Equal(t, 10<<20, cs.FetchMaxBytes())
	require.Equal(t, time.Second, cs.RevokeTimeout())
	require.Equal(t, 30*time.Second, cs.RebalanceTimeout())
	require.Equal(t, 9*time.Second, cs.SessionTimeout())
	require.Equal(t, 2*time.Second, cs.HeartbeatInterval())
	require.Equal(t, time.Second, cs.FetchMaxWait())
	require.Equal(t, 5, cs.FetchMinBytes())
	require.Equal(t, 4*time.Second, cs.CommitTimeout())
	require.Equal(t, 6*time.Second, cs.HandlerWarning())
	require.Equal(t, 7*time.Second, cs.StuckAfter())
	require.Equal(t, 9*time.Second, cs.StartTimeout())
	require.Equal(t, 8, cs.TrackLimit())
	require.Equal(t, 11*time.Second, cs.CloseTimeout())
	require.Equal(t, 12*time.Second, cs.RequestTimeout())
	require.NotNil(t, cs.ClientFactory())
	require.True(t, cs.Given("StartFrom"))
	require.Equal(t, serde.Int64(), cs.KeySerde())
	require.Equal(t, serde.Bytes(), cs.ValueSerde())
}

func TestAFetchFollowsFromTheBudget(t *testing.T) {
	for _, c := range []struct{ budget, fetch, unpacked int }{
		{1, 1 << 20, 16 << 20},
		{8 << 20, 1 << 20, 16 << 20},
		{8<<20 + 8, 1<<20 + 1, 16 << 20},
		{64 << 20, 8 << 20, 64 << 20},
		{400 << 20, 50 << 20, 400 << 20},
		{1 << 40, 50 << 20, 1 << 30},
	} {
		cs := reading(Budget(c.budget, 1))
		require.NoError(t, cs.Err())
		require.Equal(t, c.fetch, cs.FetchMaxBytes(), c.budget)
		require.Equal(t, c.unpacked, cs.DecompressMaxBytes(), c.budget)
	}
}

func TestWhatIsNotGivenFollows(t *testing.T) {
	require.Equal(t, 2*time.Second, reading(RebalanceTimeout(6*time.Second)).RevokeTimeout())
	require.Equal(t, 20*time.Second, reading(RebalanceTimeout(time.Hour)).RevokeTimeout())
	require.Equal(t, 5*time.Second, reading(RebalanceTimeout(6*time.Second), RevokeTimeout(5*time.Second)).RevokeTimeout())
	require.Equal(t, 2*time.Second, reading(SessionTimeout(6*time.Second)).HeartbeatInterval())
	require.Equal(t, 3*time.Second, reading(SessionTimeout(time.Hour)).HeartbeatInterval())
	require.Equal(t, time.Second, reading(SessionTimeout(6*time.Second), HeartbeatInterval(time.Second)).HeartbeatInterval())
}

func TestConsumerWithMakesACopy(t *testing.T) {
	base := reading(Group("g"), ClientOptions(kgo.RequestRetries(1)))
	other := base.With(Group("h"), ClientOptions(kgo.RequestRetries(2)))
	require.NoError(t, other.Err(), "With replaces, it does not contradict")
	require.Equal(t, "h", other.Group())
	require.Len(t, other.ClientOptions(), 2)
	require.Equal(t, "g", base.Group())
	require.Len(t, base.ClientOptions(), 1)
	require.True(t, other.With().Given("Group"))
	require.Equal(t, serde.String(), other.KeySerde())

	bad := reading(TrackLimit(0), Dialer(nil))
	problem(t, bad.With(TrackLimit(1)).Err(), "Dialer")
	require.NoError(t, bad.With(TrackLimit(1), Dialer(dialNothing)).Err())
	problem(t, reading().With(TrackLimit(0)).Err(), "TrackLimit")
	problem(t, NewConsumer[string](serde.String(), serde.Serde[string](nil), Bootstrap("a:1")).With(Group("g")).Err(), "value serde")
}

func TestCopiesOfAConsumerShareNoMemory(t *testing.T) {
	base := reading(ClientOptions(kgo.RequestRetries(1)), ClientOptions(kgo.RequestRetries(2)), ClientOptions(kgo.RequestRetries(3)))
	a, b := base.With(ClientOptions(kgo.Rack("a"))), base.With(ClientOptions(kgo.Rack("b")))
	for want, cs := range map[string]Consumer[string, string]{"a": a, "b": b} {
		cl, err := kgo.NewClient(cs.ClientOptions()...)
		require.NoError(t, err)
		require.Equal(t, want, cl.OptValue(kgo.Rack))
		cl.Close()
	}
	require.True(t, base.With(Group("g")).Given("Group"))
	require.False(t, base.Given("Group"))
}

func TestNothingHandedOutChangesAConsumer(t *testing.T) {
	cs := reading(ClientOptions(kgo.RequestRetries(1)))
	cs.Bootstrap()[0] = "evil:1"
	cs.ClientOptions()[0] = nil
	require.Equal(t, []string{"localhost:9092"}, cs.Bootstrap())
	require.NotNil(t, cs.ClientOptions()[0])
}

func TestZeroConsumerIsNoSettings(t *testing.T) {
	var cs Consumer[string, string]
	require.ErrorContains(t, cs.Err(), "NewConsumer")
	require.ErrorContains(t, cs.With(Bootstrap("a:1")).Err(), "NewConsumer")
	require.NotEmpty(t, cs.String())
	require.NotNil(t, cs.Logger())
	require.Error(t, ConsumerConfig{}.Err())
}

func TestConsumerString(t *testing.T) {
	require.Equal(t, `settings.Consumer{bootstrap: localhost:9092, client.id: vicuna, group: g, instance.id: i, protocol: ConsumerProtocol, `+
		`isolation: read_committed, start.from: latest, out.of.range: earliest, undecodable: skip, budget.bytes: 134217728, budget.records: 1000000, `+
		`track.limit: 262144, revoke.timeout: 2s, rebalance.timeout: 6s, session.timeout: 45s, heartbeat.interval: 3s, fetch.max.wait: 250ms, `+
		`fetch.min.bytes: 1, commit.timeout: 15s, handler.warning: 5s, stuck.after: 1m0s, close.timeout: 10s, request.timeout: 10s, `+
		`dialer: custom, client.factory: custom, client.options: 1}`,
		reading(Group("g"), InstanceID("i"), Protocol(ConsumerProtocol), Isolation(ReadCommitted), StartFrom(Latest), OutOfRange(ToEarliest),
			Undecodable(SkipUndecodable), RebalanceTimeout(6*time.Second), Dialer(dialNothing), ClientFactory(kgo.NewClient), ClientOptions(kgo.Rack("a"))).String())
}

func TestKindsHaveNames(t *testing.T) {
	for want, is := range map[string]string{
		"CooperativeSticky":    CooperativeSticky.String(),
		"Eager":                Eager.String(),
		"ConsumerProtocol":     ConsumerProtocol.String(),
		"GroupProtocol(-1)":    GroupProtocol(-1).String(),
		"read_uncommitted":     ReadUncommitted.String(),
		"read_committed":       ReadCommitted.String(),
		"IsolationLevel(2)":    IsolationLevel(2).String(),
		"earliest":             Earliest.String(),
		"latest":               Latest.String(),
		"none":                 FailOutOfRange.String(),
		"OutOfRangePolicy(3)":  OutOfRangePolicy(3).String(),
		"fail":                 FailUndecodable.String(),
		"skip":                 SkipUndecodable.String(),
		"deliver":              DeliverUndecodable.String(),
		"WaitForAck":           WaitForAck.String(),
		"SendAndForget":        SendAndForget.String(),
		"OffsetFirstObserved":  OffsetFirstObserved.String(),
		"NextOffsetObserved":   NextOffsetObserved.String(),
		"CommitMoment(9)":      CommitMoment(9).String(),
		"StartPosition(2)":     StartPosition(2).String(),
		"UndecodablePolicy(3)": UndecodablePolicy(3).String(),
	} {
		require.Equal(t, want, is)
	}
	require.Equal(t, []string{"earliest", "latest"}, []string{ToEarliest.String(), ToLatest.String()})
}
