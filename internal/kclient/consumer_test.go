package kclient

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"github.com/vicuna-go/vicuna/internal/testlog"
	"github.com/vicuna-go/vicuna/settings"
)

// consumer returns a client that is closed at the end.
func consumer(t *testing.T, cfg settings.ConsumerConfig, extra ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := NewConsumerClient(cfg, extra...)
	require.NoError(t, err)
	t.Cleanup(cl.CloseAllowingRebalance)
	return cl
}

// retryTimeoutOf returns how long the client tries a request.
func retryTimeoutOf(t *testing.T, cl *kgo.Client, key kmsg.Key) time.Duration {
	t.Helper()
	fn, ok := cl.OptValue(kgo.RetryTimeoutFn).(func(int16) time.Duration)
	require.True(t, ok)
	return fn(int16(key))
}

func TestConsumerIsAsTheSettingsSay(t *testing.T) {
	cl := consumer(t, reading(t, []string{"a:1", "b:2"}, settings.Group("g")))
	for option, want := range map[string]any{
		"SeedBrokers":             []string{"a:1", "b:2"},
		"ClientID":                "vicuna",
		"MetadataMinAge":          250 * time.Millisecond,
		"RequestTimeoutOverhead":  10 * time.Second,
		"ConsumerGroup":           "g",
		"InstanceID":              "",
		"Balancers":               []kgo.GroupBalancer{kgo.CooperativeStickyBalancer()},
		"ServerSideBalancer":      false,
		"DisableAutoCommit":       true,
		"BlockRebalanceOnPoll":    true,
		"SessionTimeout":          45 * time.Second,
		"RebalanceTimeout":        time.Minute,
		"HeartbeatInterval":       3 * time.Second,
		"FetchIsolationLevel":     int8(0),
		"ConsumeStartOffset":      kgo.NewOffset().AtStart(),
		"ConsumeResetOffset":      kgo.NoResetOffset(),
		"FetchMaxWait":            250 * time.Millisecond,
		"FetchMinBytes":           int32(1),
		"FetchMaxBytes":           int32(16 << 20),
		"FetchMaxPartitionBytes":  int32(1 << 20),
		"MaxDecompressBatchBytes": 128 << 20,
	} {
		require.Equal(t, want, cl.OptValue(option), option)
	}
	require.EqualValues(t, 76, cl.OptValue(kgo.RequestRetries), "so many take longer than any time-out")
	require.NotNil(t, watchOf(cl))
	require.Equal(t, 15*time.Second, retryTimeoutOf(t, cl, kmsg.OffsetCommit))
	require.Equal(t, 45*time.Second, retryTimeoutOf(t, cl, kmsg.JoinGroup))
	require.Equal(t, 30*time.Second, retryTimeoutOf(t, cl, kmsg.Metadata))

	cl = consumer(t, reading(t, []string{"a:1"}, testlog.Silent(),
		settings.ClientID("me"), settings.Group("h"), settings.InstanceID("i"), settings.Protocol(settings.Eager),
		settings.Isolation(settings.ReadCommitted), settings.StartFrom(settings.Latest), settings.OutOfRange(settings.ToLatest),
		settings.SessionTimeout(9*time.Second), settings.RebalanceTimeout(40*time.Second), settings.HeartbeatInterval(2*time.Second),
		settings.FetchMaxWait(time.Second), settings.FetchMinBytes(5), settings.Budget(1<<20, 1), settings.CommitTimeout(4*time.Second),
		settings.RequestTimeout(6*time.Second), settings.SASL(plain.Auth{User: "u", Pass: "p"}.AsMechanism())))
	for option, want := range map[string]any{
		"ClientID":                "me",
		"RequestTimeoutOverhead":  6 * time.Second,
		"ConsumerGroup":           "h",
		"InstanceID":              "i",
		"Balancers":               []kgo.GroupBalancer{kgo.StickyBalancer(), kgo.RangeBalancer()},
		"ServerSideBalancer":      false,
		"SessionTimeout":          9 * time.Second,
		"RebalanceTimeout":        40 * time.Second,
		"HeartbeatInterval":       2 * time.Second,
		"FetchIsolationLevel":     int8(1),
		"ConsumeStartOffset":      kgo.NewOffset().AtEnd(),
		"ConsumeResetOffset":      kgo.NewOffset().AtEnd(),
		"FetchMaxWait":            time.Second,
		"FetchMinBytes":           int32(5),
		"FetchMaxBytes":           int32(1 << 20),
		"FetchMaxPartitionBytes":  int32(1 << 20),
		"MaxDecompressBatchBytes": 16 << 20,
	} {
		require.Equal(t, want, cl.OptValue(option), option)
	}
	require.Equal(t, 4*time.Second, retryTimeoutOf(t, cl, kmsg.OffsetCommit))
	require.Equal(t, 9*time.Second, retryTimeoutOf(t, cl, kmsg.Heartbeat))
	require.Len(t, cl.OptValue(kgo.SASL), 1)

	cl = consumer(t, reading(t, []string{"a:1"}, settings.Protocol(settings.ConsumerProtocol), settings.Group("g"), settings.OutOfRange(settings.ToEarliest)))
	require.Equal(t, true, cl.OptValue(kgo.ServerSideBalancer))
	require.Equal(t, kgo.NewOffset().AtStart(), cl.OptValue(kgo.ConsumeResetOffset))
}

func TestConsumerWithoutAGroup(t *testing.T) {
	partitions := map[string]map[int32]kgo.Offset{"t": {0: kgo.NewOffset().AtEnd()}}
	cl := consumer(t, reading(t, []string{closedPort(t)}, testlog.Silent()), kgo.ConsumePartitions(partitions))
	require.Empty(t, cl.OptValue(kgo.ConsumerGroup))
	require.Equal(t, false, cl.OptValue(kgo.DisableAutoCommit), "franz-go refuses it without a group")
	require.Equal(t, partitions, cl.OptValue(kgo.ConsumePartitions))
}

func TestFaultySettingsMakeNoConsumer(t *testing.T) {
	_, err := NewConsumerClient(settings.ConsumerConfig{})
	var p *settings.Problem
	require.ErrorAs(t, err, &p)

	_, err = NewConsumerClient(reading(t, []string{"a:1"}, settings.Group("g")), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{"t": {0: kgo.NewOffset()}}))
	require.ErrorContains(t, err, "franz-go rejects the settings")
}

func TestTheUsersOptionsOfAConsumerComeBetween(t *testing.T) {
	cl := consumer(t, reading(t, []string{"a:1"}, settings.ClientOptions(
		kgo.MetadataMinAge(time.Second), kgo.MaxDecompressBatchBytes(5), kgo.RetryTimeout(time.Hour), kgo.FetchMaxPartitionBytes(6), kgo.FetchMaxWait(5*time.Second),
	)), kgo.ConsumeTopics("t"), kgo.FetchMinBytes(7))
	require.Equal(t, time.Second, cl.OptValue(kgo.MetadataMinAge), "ours is a default")
	require.Equal(t, 5, cl.OptValue(kgo.MaxDecompressBatchBytes), "ours is a default")
	require.Equal(t, int32(6), cl.OptValue(kgo.FetchMaxPartitionBytes), "ours is a default")
	require.Equal(t, time.Hour, retryTimeoutOf(t, cl, kmsg.OffsetCommit), "ours is a default")
	require.Equal(t, 250*time.Millisecond, cl.OptValue(kgo.FetchMaxWait), "ours is the last word")
	require.Equal(t, int32(7), cl.OptValue(kgo.FetchMinBytes), "but for the caller's")
}

func TestWarningsOfAConsumerAreLogged(t *testing.T) {
	j := &testlog.Log{}
	consumer(t, reading(t, []string{"a:1"}, j.Option(), settings.Budget(1<<20, 1)))
	require.Contains(t, j.String(), "the budget of 1048576 bytes")
	require.Contains(t, j.String(), "client.id=vicuna")
}

func TestReachByAConsumer(t *testing.T) {
	k := cluster(t, 1)
	require.NoError(t, Reach(t.Context(), consumer(t, reading(t, k.ListenAddrs(), settings.Group("g")), kgo.ConsumeTopics("t"))))

	nobody := closedPort(t)
	var u *UnreachableError
	require.ErrorAs(t, Reach(t.Context(), consumer(t, reading(t, []string{nobody}, testlog.Silent(), settings.Group("g")))), &u)
	require.Equal(t, []string{nobody}, u.Addrs)
}

func TestTLSByAConsumer(t *testing.T) {
	serverTLS, clientTLS := certificates(t)
	k := cluster(t, 1, kfake.TLS(serverTLS))
	require.NoError(t, Reach(t.Context(), consumer(t, reading(t, k.ListenAddrs(), settings.TLS(clientTLS)))))
}

func TestConsumerFactory(t *testing.T) {
	boom := errors.New("boom")
	changed := func(context.Context, *kgo.Client, map[string][]int32) {}
	more := func(add ...kgo.Opt) settings.Factory {
		return func(opts ...kgo.Opt) (*kgo.Client, error) { return kgo.NewClient(append(opts, add...)...) }
	}
	var kept []*kgo.Client
	for name, c := range map[string]struct {
		factory settings.Factory
		says    []string
	}{
		"as ordered":  {kgo.NewClient, nil},
		"with more":   {more(kgo.RequestRetries(1), kgo.Rack("a"), kgo.WithHooks(&look{made: map[*kgo.Client]values{}})), nil},
		"fails":       {func(...kgo.Opt) (*kgo.Client, error) { return nil, boom }, []string{"boom"}},
		"nothing":     {func(...kgo.Opt) (*kgo.Client, error) { return nil, nil }, []string{"neither a client nor an error"}},
		"its own way": {func(...kgo.Opt) (*kgo.Client, error) { return kgo.NewClient(kgo.SeedBrokers("z:1")) }, []string{"kgo.WithHooks", "not made of the options"}},
		"another one": {func(opts ...kgo.Opt) (*kgo.Client, error) {
			cl, err := kgo.NewClient(opts...)
			if err != nil {
				return nil, err
			}
			kept = append(kept, cl)
			return kgo.NewClient(kgo.SeedBrokers("z:1"))
		}, []string{"not made of the options"}},
		"other values": {more(kgo.FetchMaxWait(time.Second), kgo.ConsumerGroup("other"), kgo.SeedBrokers("z:1"), kgo.FetchMaxBytes(1<<20)), []string{
			"FetchMaxWait (fetch.max.wait.ms) = 250ms: the client has 1s", `Group (group.id) = "g": the client has "other"`, "Bootstrap", "Budget",
		}},
		"other callbacks": {more(kgo.OnPartitionsRevoked(changed)), []string{"kgo.OnPartitionsRevoked: the client has another one"}},
		"more callbacks":  {more(kgo.OnOffsetsFetched(func(context.Context, *kgo.Client, *kmsg.OffsetFetchResponse) error { return nil })), []string{"kgo.OnOffsetsFetched"}},
		"other topics":    {more(kgo.ConsumeTopics("u")), []string{"kgo.ConsumeTopics"}},
		"other balancers": {more(kgo.Balancers(kgo.RangeBalancer())), []string{"Protocol (group.protocol): the client has another one"}},
		"another reset":   {more(kgo.ConsumeResetOffset(kgo.NewOffset().AtEnd())), []string{"OutOfRange (auto.offset.reset)"}},
		"transactional":   {more(kgo.TransactionalID("x")), []string{`kgo.TransactionalID = "": the client has "x"`}},
	} {
		t.Run(name, func(t *testing.T) {
			cl, err := NewConsumerClient(reading(t, []string{closedPort(t)}, testlog.Silent(), settings.Group("g"), settings.ClientFactory(c.factory)),
				kgo.ConsumeTopics("t"), kgo.OnPartitionsRevoked(func(context.Context, *kgo.Client, map[string][]int32) {}))
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
	for _, cl := range kept {
		cl.Close()
	}
	_, err := NewConsumerClient(reading(t, []string{"a:1"}, settings.ClientFactory(func(...kgo.Opt) (*kgo.Client, error) { return nil, boom })))
	require.ErrorIs(t, err, boom)
	var ce *ClientError
	_, err = NewConsumerClient(reading(t, []string{"a:1"}, settings.ClientFactory(more(kgo.KeepControlRecords()))))
	require.ErrorAs(t, err, &ce)
	require.Len(t, ce.Problems, 1)
	_, err = NewConsumerClient(reading(t, []string{"a:1"}, settings.ClientFactory(kgo.NewClient)), kgo.DisableAutoCommit())
	require.ErrorContains(t, err, "franz-go rejects the settings")
}

func TestFranzGoKnowsEveryOrderedOption(t *testing.T) {
	cl, err := kgo.NewClient()
	require.NoError(t, err)
	defer cl.Close()
	for _, o := range ordered {
		require.NotNil(t, cl.OptValues(o.option), o.option)
	}
}

func TestOrderingBringsNoClientToLife(t *testing.T) {
	users := &look{made: map[*kgo.Client]values{}}
	v, err := order([]kgo.Opt{kgo.SeedBrokers("a:1"), kgo.WithHooks(users)})
	require.NoError(t, err)
	require.Equal(t, []string{"a:1"}, v["SeedBrokers"])
	require.Empty(t, users.made, "a hook of the user's saw it")
	require.PanicsWithValue(t, "mine", func() {
		_, _ = order([]kgo.Opt{kgo.ProducerBatchMaxBytesFn(func(string) int32 { panic("mine") })})
	})
}
