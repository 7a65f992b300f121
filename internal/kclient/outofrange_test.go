package kclient

import (
	"fmt"
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

// plainClient is one with nothing of ours. It speaks as clients did when topics had
// names and no numbers, so that requests can be written by hand.
func plainClient(t *testing.T, k *kfake.Cluster) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(k.ListenAddrs()...), kgo.MaxVersions(kversion.V3_0_0()), kgo.ProducerLinger(0))
	require.NoError(t, err)
	return cl
}

// write writes n records to partition 0 of topic t.
func write(t *testing.T, k *kfake.Cluster, n int) {
	t.Helper()
	cl := plainClient(t, k)
	defer cl.Close()
	for range n {
		require.NoError(t, cl.ProduceSync(t.Context(), &kgo.Record{Topic: "t", Value: []byte("v")}).FirstErr())
	}
}

// deleteBefore makes offset the first that is left.
func deleteBefore(t *testing.T, k *kfake.Cluster, offset int64) {
	t.Helper()
	cl := plainClient(t, k)
	defer cl.Close()
	req := kmsg.NewPtrDeleteRecordsRequest()
	req.Topics = []kmsg.DeleteRecordsRequestTopic{{Topic: "t", Partitions: []kmsg.DeleteRecordsRequestTopicPartition{{Offset: offset}}}}
	resp, err := req.RequestWith(t.Context(), cl)
	require.NoError(t, err)
	require.Equal(t, offset, resp.Topics[0].Partitions[0].LowWatermark)
}

// commit commits an offset to group g, as an empty group's.
func commit(t *testing.T, k *kfake.Cluster, offset int64, epoch int32) {
	t.Helper()
	cl := plainClient(t, k)
	defer cl.Close()
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Group, req.Generation = "g", -1
	req.Topics = []kmsg.OffsetCommitRequestTopic{{Topic: "t", Partitions: []kmsg.OffsetCommitRequestTopicPartition{{Offset: offset, LeaderEpoch: epoch}}}}
	resp, err := req.RequestWith(t.Context(), cl)
	require.NoError(t, err)
	require.NoError(t, kerr.ErrorForCode(resp.Topics[0].Partitions[0].ErrorCode))
}

// Ten records, of which the first five are gone.
func TestOutOfRange(t *testing.T) {
	const below, above = 2, 20
	for _, group := range []string{"", "g"} {
		for _, c := range []struct {
			policy settings.OutOfRangePolicy
			at     int64
			epoch  int32
			want   string
		}{
			{settings.FailOutOfRange, below, -1, "fails"},
			{settings.FailOutOfRange, below, 0, "fails"},
			{settings.FailOutOfRange, above, -1, "fails"},
			{settings.FailOutOfRange, above, 0, "lost"},
			{settings.ToEarliest, below, -1, "start"},
			{settings.ToEarliest, above, -1, "start"},
			{settings.ToEarliest, above, 0, "lost"},
			{settings.ToLatest, below, -1, "end"},
			{settings.ToLatest, above, -1, "end"},
			{settings.ToLatest, above, 0, "lost"},
		} {
			t.Run(fmt.Sprintf("group %q, %v, at %d, epoch %d", group, c.policy, c.at, c.epoch), func(t *testing.T) {
				k := cluster(t, 1)
				write(t, k, 10)
				deleteBefore(t, k, 5)
				opts := []settings.ConsumerOption{testlog.Silent(), settings.OutOfRange(c.policy)}
				what := kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{"t": {0: kgo.NewOffset().At(c.at).WithEpoch(c.epoch)}})
				if group != "" {
					opts = append(opts, settings.Group(group))
					what = kgo.ConsumeTopics("t")
					commit(t, k, c.at, c.epoch)
				}
				cl := consumer(t, reading(t, k.ListenAddrs(), opts...), what)
				switch c.want {
				case "fails":
					for range 2 {
						fs := cl.PollFetches(t.Context())
						cl.AllowRebalance()
						require.Empty(t, fs.Records())
						require.Len(t, fs.Errors(), 1)
						e := fs.Errors()[0]
						require.Equal(t, "t", e.Topic)
						require.ErrorIs(t, e.Err, kerr.OffsetOutOfRange, "each poll says so anew")
					}
				case "lost":
					fs := cl.PollFetches(t.Context())
					cl.AllowRebalance()
					var lost *kgo.ErrDataLoss
					require.ErrorAs(t, fs.Err(), &lost)
					require.Equal(t, c.at, lost.ConsumedTo)
					require.EqualValues(t, 10, lost.ResetTo)
					require.EqualValues(t, 10, firstOf(t, k, cl), "and the client has gone on, whatever the settings say")
				case "start":
					require.EqualValues(t, 5, polled(t, cl, 5)[0].Offset)
				case "end":
					require.GreaterOrEqual(t, firstOf(t, k, cl), int64(10))
				}
			})
		}
	}
}

// A reader that was paused for too long: what it wanted next is gone.
func TestOvertakenByRetention(t *testing.T) {
	for policy, fails := range map[settings.OutOfRangePolicy]bool{settings.FailOutOfRange: true, settings.ToEarliest: false, settings.ToLatest: false} {
		t.Run(policy.String(), func(t *testing.T) {
			k := cluster(t, 1)
			write(t, k, 3)
			cl := consumer(t, reading(t, k.ListenAddrs(), testlog.Silent(), settings.OutOfRange(policy), settings.FetchMaxWait(10*time.Millisecond)), kgo.ConsumeTopics("t"))
			polled(t, cl, 3)
			cl.PauseFetchTopics("t")
			require.Empty(t, pollFor(t, cl, 500*time.Millisecond).Records(), "the fetch under way is over")
			write(t, k, 5)
			deleteBefore(t, k, 6)
			cl.ResumeFetchTopics("t")
			fs := cl.PollFetches(t.Context())
			if fails {
				require.ErrorIs(t, fs.Err(), kerr.OffsetOutOfRange)
				return
			}
			require.NoError(t, fs.Err())
			require.EqualValues(t, 6, fs.Records()[0].Offset, "the first there is, with either policy")
		})
	}
}
