package settings

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/plain"
)

type pool struct{}

func (pool) GetRecords(int) []kgo.Record { return nil }

func (pool) PutRecords([]kgo.Record) {}

func TestRawOptionsThatAConsumerOwnsAreRefusedByName(t *testing.T) {
	changed := func(context.Context, *kgo.Client, map[string][]int32) {}
	rows := map[string][]kgo.Opt{
		"SeedBrokers":                 {kgo.SeedBrokers("other:9092")},
		"ClientID":                    {kgo.ClientID("other")},
		"Dialer":                      {kgo.Dialer((&net.Dialer{}).DialContext)},
		"DialTLSConfig":               {kgo.DialTLS()},
		"SASL":                        {kgo.SASL(plain.Auth{User: "u", Pass: "hunter2"}.AsMechanism())},
		"WithLogger":                  {kgo.WithLogger(kgo.BasicLogger(nil, kgo.LogLevelNone, nil))},
		"WithContext":                 {kgo.WithContext(t.Context())},
		"RequestTimeoutOverhead":      {kgo.RequestTimeoutOverhead(time.Second)},
		"ConsumeTopics":               {kgo.ConsumeTopics("t")},
		"ConsumePartitions":           {kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{"t": {0: kgo.NewOffset()}})},
		"ConsumeRegex":                {kgo.ConsumeRegex()},
		"ConsumeExcludeTopics":        {kgo.ConsumeRegex(), kgo.ConsumeExcludeTopics("x")},
		"ConsumeStartOffset":          {kgo.ConsumeStartOffset(kgo.NewOffset().AtEnd())},
		"ConsumeResetOffset":          {kgo.ConsumeResetOffset(kgo.NewOffset().AtEnd())},
		"FetchIsolationLevel":         {kgo.FetchIsolationLevel(kgo.ReadCommitted())},
		"FetchMaxWait":                {kgo.FetchMaxWait(time.Second)},
		"FetchMinBytes":               {kgo.FetchMinBytes(2)},
		"FetchMaxBytes":               {kgo.FetchMaxBytes(1 << 20)},
		"KeepControlRecords":          {kgo.KeepControlRecords()},
		"KeepRetryableFetchErrors":    {kgo.KeepRetryableFetchErrors()},
		"WithPools":                   {kgo.WithPools(pool{})},
		"ConsumerGroup":               {kgo.ConsumerGroup("g")},
		"ShareGroup":                  {kgo.ShareGroup("g")},
		"GroupProtocol":               {kgo.GroupProtocol("mine")},
		"Balancers":                   {kgo.Balancers(kgo.RangeBalancer())},
		"ServerSideBalancer":          {kgo.ServerSideBalancer()},
		"InstanceID":                  {kgo.InstanceID("i")},
		"SessionTimeout":              {kgo.SessionTimeout(time.Minute)},
		"RebalanceTimeout":            {kgo.RebalanceTimeout(time.Second)},
		"HeartbeatInterval":           {kgo.HeartbeatInterval(time.Second)},
		"BlockRebalanceOnPoll":        {kgo.BlockRebalanceOnPoll()},
		"OnPartitionsAssigned":        {kgo.OnPartitionsAssigned(changed)},
		"OnPartitionsRevoked":         {kgo.OnPartitionsRevoked(changed)},
		"OnPartitionsLost":            {kgo.OnPartitionsLost(changed)},
		"OnPartitionsCallbackBlocked": {kgo.OnPartitionsCallbackBlocked(func(context.Context, *kgo.Client) {})},
		"OnOffsetsFetched":            {kgo.OnOffsetsFetched(func(context.Context, *kgo.Client, *kmsg.OffsetFetchResponse) error { return nil })},
		"AdjustFetchOffsetsFn": {kgo.AdjustFetchOffsetsFn(func(_ context.Context, m map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
			return m, nil
		})},
		"DisableAutoCommit":  {kgo.DisableAutoCommit()},
		"GreedyAutoCommit":   {kgo.GreedyAutoCommit()},
		"AutoCommitMarks":    {kgo.AutoCommitMarks()},
		"AutoCommitInterval": {kgo.AutoCommitInterval(time.Second)},
		"AutoCommitCallback": {kgo.AutoCommitCallback(func(*kgo.Client, *kmsg.OffsetCommitRequest, *kmsg.OffsetCommitResponse, error) {})},
		"TransactionalID":    {kgo.TransactionalID("id")},
	}
	for _, o := range consumerOwned {
		require.Contains(t, rows, o.option, "a row of the table without a test")
	}
	require.Len(t, rows, len(consumerOwned))
	for name, opts := range rows {
		t.Run(name, func(t *testing.T) {
			err := reading(ClientOptions(opts...)).Err()
			require.Error(t, err)
			p := problem(t, err, "kgo."+name)
			require.Contains(t, p.Reason, "refused")
			require.NotContains(t, err.Error(), "hunter2")
			require.Len(t, problems(t, err), len(opts), "named is what was given, and nothing else: %v", err)
		})
	}
}

func TestFranzGoKnowsEveryOptionThatAConsumerOwns(t *testing.T) {
	cl, err := kgo.NewClient()
	require.NoError(t, err)
	defer cl.Close()
	for _, name := range consuming.names() {
		require.NotNil(t, cl.OptValues(name), name)
	}
}

func TestSeveralRefusedOptionsOfAConsumerAreAllNamed(t *testing.T) {
	for _, opts := range [][]kgo.Opt{
		{kgo.AutoCommitMarks(), kgo.FetchMaxWait(time.Second), kgo.ConsumerGroup("g"), kgo.Dialer(dialNothing)},
		// Which franz-go rejects together, and each by itself.
		{kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{"t": {0: kgo.NewOffset()}}), kgo.DisableAutoCommit(), kgo.ConsumerGroup("g")},
		{kgo.GreedyAutoCommit(), kgo.AutoCommitMarks()},
	} {
		err := reading(ClientOptions(opts...)).Err()
		require.Len(t, problems(t, err), len(opts), "%v", err)
	}
}

func TestADefaultBesideARefusedOptionOfAConsumerIsNotNamed(t *testing.T) {
	err := reading(ClientOptions(kgo.DisableAutoCommit(), kgo.FetchMaxBytes(50<<20), kgo.FetchMaxWait(5*time.Second))).Err()
	require.Len(t, problems(t, err), 1, "%v", err)
	problem(t, err, "kgo.DisableAutoCommit")
}

func TestRawOptionsOfAConsumerThatSayTheDefaultAreAllowed(t *testing.T) {
	require.NoError(t, reading(ClientOptions(
		kgo.Balancers(kgo.CooperativeStickyBalancer()),
		kgo.FetchMaxWait(5*time.Second),
		kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()),
		kgo.ConsumeResetOffset(kgo.RewindOffset(time.Minute)),
		kgo.SessionTimeout(45*time.Second),
	)).Err())
}

func TestRawOptionsOfAConsumerThatAreNotOwnedAreKept(t *testing.T) {
	cs := reading(Group("g"), ClientOptions(
		kgo.Rack("a"), kgo.BalanceRacks(), kgo.MaxConcurrentFetches(2), kgo.FetchMaxPartitionBytes(1<<18), kgo.RetryTimeout(time.Minute),
		kgo.ConsumePreferringLagFn(kgo.PreferLagAt(10)), kgo.DisableFetchSessions(), kgo.MaxDecompressBatchBytes(1<<20),
	))
	require.NoError(t, cs.Err())
	require.Len(t, cs.ClientOptions(), 8)

	require.ErrorContains(t, problem(t, reading(ClientOptions(kgo.MetadataMinAge(1))).Err(), "ClientOptions"), "metadata min age")
}
