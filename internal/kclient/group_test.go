package kclient

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/vicuna-go/vicuna/internal/testlog"
	"github.com/vicuna-go/vicuna/settings"
)

// overheard returns the requests with a key that reach the broker.
func overheard(k *kfake.Cluster, key kmsg.Key) <-chan kmsg.Request {
	ch := make(chan kmsg.Request, 1000)
	k.ControlKey(int16(key), func(req kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		select {
		case ch <- req:
		default:
		}
		return nil, nil, false
	})
	return ch
}

// polled polls until n records are there.
func polled(t *testing.T, cl *kgo.Client, n int) []*kgo.Record {
	t.Helper()
	var all []*kgo.Record
	for len(all) < n {
		fs := cl.PollFetches(t.Context())
		require.NoError(t, fs.Err())
		all = append(all, fs.Records()...)
		cl.AllowRebalance()
	}
	return all
}

func TestClassicMembers(t *testing.T) {
	for name, c := range map[string]struct {
		protocol settings.GroupProtocol
		broker   []kfake.Opt
		offers   []string
	}{
		"cooperative sticky": {settings.CooperativeSticky, nil, []string{"cooperative-sticky"}},
		"eager":              {settings.Eager, nil, []string{"sticky", "range"}},
		"no KIP-848":         {settings.ConsumerProtocol, []kfake.Opt{kfake.MaxVersions(kversion.V3_6_0())}, []string{"cooperative-sticky"}},
	} {
		t.Run(name, func(t *testing.T) {
			k := cluster(t, 1, c.broker...)
			write(t, k, 3)
			joins, commits := overheard(k, kmsg.JoinGroup), overheard(k, kmsg.OffsetCommit)
			cl := consumer(t, reading(t, k.ListenAddrs(), testlog.Silent(), settings.Group("g"), settings.Protocol(c.protocol), settings.InstanceID("i"),
				settings.SessionTimeout(9*time.Second), settings.RebalanceTimeout(40*time.Second)), kgo.ConsumeTopics("t"))
			polled(t, cl, 3)
			join := (<-joins).(*kmsg.JoinGroupRequest)
			var offers []string
			for _, p := range join.Protocols {
				offers = append(offers, p.Name)
			}
			require.Equal(t, c.offers, offers)
			require.Equal(t, "i", *join.InstanceID)
			require.EqualValues(t, 9000, join.SessionTimeoutMillis)
			require.EqualValues(t, 40_000, join.RebalanceTimeoutMillis)
			cl.CloseAllowingRebalance()
			require.Empty(t, commits, "nobody commits but the caller")
		})
	}
}

func TestMembersOfTheConsumerProtocol(t *testing.T) {
	k := cluster(t, 1)
	write(t, k, 3)
	joins, beats := overheard(k, kmsg.JoinGroup), overheard(k, kmsg.ConsumerGroupHeartbeat)
	cl := consumer(t, reading(t, k.ListenAddrs(), settings.Group("g"), settings.Protocol(settings.ConsumerProtocol), settings.InstanceID("i"),
		settings.RebalanceTimeout(40*time.Second)), kgo.ConsumeTopics("t"))
	polled(t, cl, 3)
	beat := (<-beats).(*kmsg.ConsumerGroupHeartbeatRequest)
	require.Equal(t, "uniform", *beat.ServerAssignor)
	require.Equal(t, "i", *beat.InstanceID)
	require.EqualValues(t, 40_000, beat.RebalanceTimeoutMillis)
	require.Empty(t, joins)
}

func TestIsolation(t *testing.T) {
	k := cluster(t, 1)
	tx, err := kgo.NewClient(kgo.SeedBrokers(k.ListenAddrs()...), kgo.TransactionalID("x"), kgo.DefaultProduceTopic("t"))
	require.NoError(t, err)
	defer tx.Close()
	require.NoError(t, tx.BeginTransaction())
	require.NoError(t, tx.ProduceSync(t.Context(), kgo.StringRecord("aborted")).FirstErr())
	require.NoError(t, tx.EndTransaction(t.Context(), kgo.TryAbort))
	require.NoError(t, tx.BeginTransaction())
	require.NoError(t, tx.ProduceSync(t.Context(), kgo.StringRecord("committed")).FirstErr())
	require.NoError(t, tx.EndTransaction(t.Context(), kgo.TryCommit))

	for level, want := range map[settings.IsolationLevel][]string{
		settings.ReadUncommitted: {"aborted", "committed"},
		settings.ReadCommitted:   {"committed"},
	} {
		cl := consumer(t, reading(t, k.ListenAddrs(), settings.Isolation(level)), kgo.ConsumeTopics("t"))
		var got []string
		for _, r := range polled(t, cl, len(want)) {
			got = append(got, string(r.Value))
		}
		require.Equal(t, want, got, level)
	}
}

func TestStartFrom(t *testing.T) {
	k := cluster(t, 1)
	write(t, k, 3)
	first := polled(t, consumer(t, reading(t, k.ListenAddrs(), settings.Group("g")), kgo.ConsumeTopics("t")), 3)
	require.Zero(t, first[0].Offset)

	cl := consumer(t, reading(t, k.ListenAddrs(), settings.Group("h"), settings.StartFrom(settings.Latest)), kgo.ConsumeTopics("t"))
	require.GreaterOrEqual(t, firstOf(t, k, cl), int64(3))
}

// pollFor polls once, for no longer than d.
func pollFor(t *testing.T, cl *kgo.Client, d time.Duration) kgo.Fetches {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	fs := cl.PollFetches(ctx)
	cl.AllowRebalance()
	return fs
}

// firstOf writes records until one is read, whose offset it returns.
func firstOf(t *testing.T, k *kfake.Cluster, cl *kgo.Client) int64 {
	t.Helper()
	for {
		write(t, k, 1)
		if rs := pollFor(t, cl, 100*time.Millisecond).Records(); len(rs) > 0 {
			return rs[0].Offset
		}
	}
}

func TestACommitIsTriedForTheCommitTimeout(t *testing.T) {
	k := cluster(t, 1)
	write(t, k, 1)
	cl := consumer(t, reading(t, k.ListenAddrs(), testlog.Silent(), settings.Group("g"), settings.CommitTimeout(time.Second)), kgo.ConsumeTopics("t"))
	r := polled(t, cl, 1)[0]
	var tries atomic.Int32
	k.ControlKey(int16(kmsg.OffsetCommit), func(req kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		tries.Add(1)
		resp := req.ResponseKind().(*kmsg.OffsetCommitResponse)
		for _, rt := range req.(*kmsg.OffsetCommitRequest).Topics {
			topic := kmsg.OffsetCommitResponseTopic{Topic: rt.Topic, TopicID: rt.TopicID}
			for _, p := range rt.Partitions {
				topic.Partitions = append(topic.Partitions, kmsg.OffsetCommitResponseTopicPartition{Partition: p.Partition, ErrorCode: kerr.CoordinatorLoadInProgress.Code})
			}
			resp.Topics = append(resp.Topics, topic)
		}
		return resp, nil, true
	})
	done := make(chan error, 1)
	start := time.Now()
	cl.CommitOffsetsSync(t.Context(), map[string]map[int32]kgo.EpochOffset{"t": {0: {Epoch: r.LeaderEpoch, Offset: r.Offset + 1}}},
		func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse, err error) {
			if err == nil {
				err = kerr.ErrorForCode(resp.Topics[0].Partitions[0].ErrorCode)
			}
			done <- err
		})
	require.ErrorIs(t, <-done, kerr.CoordinatorLoadInProgress)
	require.Greater(t, tries.Load(), int32(1))
	require.Less(t, time.Since(start), 10*time.Second, "franz-go's own bound is 30 s")
}
