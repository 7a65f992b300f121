package consumer_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

func TestBadSubscriptions(t *testing.T) {
	type ps = []consumer.TopicPartition
	for name, c := range map[string]struct {
		sub  consumer.Subscription
		want []string
	}{
		"zero":           {consumer.Subscription{}, []string{"it names no topic"}},
		"no topic":       {consumer.Topics(), []string{"it names no topic"}},
		"no partition":   {consumer.Partitions(), []string{"it names no partition"}},
		"no offset":      {consumer.Offsets(nil), []string{"it names no partition"}},
		"empty":          {consumer.Topics(""), []string{`topic "" is empty`}},
		"dots":           {consumer.Topics(".", ".."), []string{`topic "." is no name that Kafka allows`, `topic ".." is no name`}},
		"long":           {consumer.Topics(strings.Repeat("a", 250)), []string{"has 250 characters, 249 are allowed"}},
		"characters":     {consumer.Topics("a b", "ä", "a/b", "a\n"), []string{`"a b" has characters`, `"ä" has`, `"a/b" has`, `"a\n" has`}},
		"twice":          {consumer.Topics("a", "b", "a"), []string{`topic "a" is named twice`}},
		"several":        {consumer.Topics("", "b", "b", "c c"), []string{`topic "" is empty`, `topic "b" is named twice`, `topic "c c" has`}},
		"partitions":     {consumer.Partitions(ps{{Topic: "a", Partition: -1}, {Topic: "", Partition: 0}, {Topic: "b", Partition: 1}, {Topic: "b", Partition: 1}}...), []string{"partition -1 of topic \"a\" is negative", `topic "" is empty`, "b[1] is named twice"}},
		"offsets":        {consumer.Offsets(map[consumer.TopicPartition]int64{{Topic: "a", Partition: 0}: -1, {Topic: "a", Partition: -2}: 0}), []string{"offset -1 of a[0] is negative", "partition -2 of topic \"a\" is negative"}},
		"topic of bytes": {consumer.Partitions(ps{{Topic: "\x00", Partition: 0}}...), []string{"has characters"}},
	} {
		t.Run(name, func(t *testing.T) {
			cs := settings.NewConsumer[string, string](moody{}, moody{}, settings.Bootstrap("localhost:1"), settings.Group("g"))
			err := consumer.New(cs, c.sub).PlainSource().To(stream.Ignore[*strRecord]()).Run(t.Context())
			require.ErrorIs(t, err, consumer.ErrSubscription)
			for _, w := range c.want {
				require.ErrorContains(t, err, w)
			}
			require.Equal(t, len(c.want), strings.Count(err.Error(), consumer.ErrSubscription.Error()), err)
		})
	}
}

// What the caller does with the values that he gave is his.
func TestSubscriptionsAreValues(t *testing.T) {
	grouptest.Calmly(t, 2, func(t *testing.T, w *grouptest.World) {
		w.Fill(2, 0, 10)
		names, ps, from := []string{"in"}, ats(2), map[consumer.TopicPartition]int64{at(0): 3}
		subs := []consumer.Subscription{consumer.Topics(names...), consumer.Partitions(ps...), consumer.Offsets(from)}
		names[0], ps[0].Topic, ps[1].Topic = "?", "?", "?"
		from[at(0)] = -1
		for i, n := range []int{20, 20, 7} {
			recs, err := stream.Collect(t.Context(), consumer.New(w.Settings(), subs[i], consumer.ToEnd()).PlainSource())
			require.NoError(t, err)
			require.Len(t, recs, n)
		}
	})
}

// Offsets says where each partition begins, whatever the group has.
func TestOffsets(t *testing.T) {
	grouptest.Calmly(t, 3, func(t *testing.T, w *grouptest.World) {
		w.Fill(3, 0, 100)
		sub := consumer.Offsets(map[consumer.TopicPartition]int64{at(0): 10, at(1): 100, at(2): 0})
		for _, cs := range []settings.Consumer[string, string]{w.Loose(), w.Settings()} {
			got := &grouptest.Deliveries{}
			require.NoError(t, consumer.New(cs, sub, consumer.ToEnd()).PlainSource().To(got.Sink()).Run(t.Context()))
			require.Equal(t, grouptest.Values(0, 10, 90), got.Values(0))
			require.Empty(t, got.Values(1))
			require.Equal(t, grouptest.Values(2, 0, 100), got.Values(2))
		}
	})
}

// Partitions of one's own choice: reading goes on where the group has committed, and commits to it,
// without anybody being a member.
func TestPartitionsWithAGroup(t *testing.T) {
	grouptest.Calmly(t, 3, func(t *testing.T, w *grouptest.World) {
		w.Fill(3, 0, 100)
		c := consumer.New(w.Settings(), consumer.Partitions(at(0), at(2)))
		for _, n := range []int{30, 50} {
			offsets := stream.Map(c.CommittableSource().Take(n), func(m *strMessage) envelope.Committable {
				if info := w.Cluster().GroupInfo(w.Group); info != nil && len(info.Members) > 0 {
					t.Error("it is a member")
				}
				return m.Offset
			})
			require.NoError(t, offsets.To(consumer.CommitterSink(settings.NewCommitter())).Run(t.Context()))
		}
		done := w.Committed(0)
		if o := w.Committed(2); o > 0 {
			done += o
		}
		require.GreaterOrEqual(t, done, int64(79)) // -1: nothing of that one
		require.EqualValues(t, -1, w.Committed(1))
		got := &grouptest.Deliveries{}
		rest := consumer.New(w.Settings(), consumer.Partitions(ats(3)...), consumer.ToEnd())
		require.NoError(t, rest.PlainSource().To(got.Sink()).Run(t.Context()))
		require.Equal(t, 300-80, got.Count())
	})
}

// Without a group each run begins anew, where the settings say.
func TestPartitionsWithoutAGroup(t *testing.T) {
	grouptest.Calmly(t, 2, func(t *testing.T, w *grouptest.World) {
		w.Fill(2, 0, 10)
		c := consumer.New(w.Loose(), consumer.Partitions(ats(2)...), consumer.ToEnd())
		for range 2 {
			recs, err := stream.Collect(t.Context(), c.PlainSource())
			require.NoError(t, err)
			require.Len(t, recs, 20)
		}
		late := consumer.New(w.Loose(settings.StartFrom(settings.Latest)), consumer.Partitions(ats(2)...), consumer.ToEnd())
		recs, err := stream.Collect(t.Context(), late.PlainSource())
		require.NoError(t, err)
		require.Empty(t, recs)
	})
}

// The offsets of a consumer without a group cannot be committed, and who tries is told.
func TestCommitWithoutAGroup(t *testing.T) {
	grouptest.Calmly(t, 1, func(t *testing.T, w *grouptest.World) {
		c := consumer.New(w.Loose(), consumer.Partitions(at(0)))
		err := c.CommittableSource().To(stream.Ignore[*strMessage]()).Run(t.Context())
		require.ErrorIs(t, err, consumer.ErrNoGroup)
	})
}

// A partition, or a topic, that is not there ends the stream.
func TestMissingPartition(t *testing.T) {
	for name, c := range map[string]struct {
		sub  consumer.Subscription
		want consumer.FetchError
	}{
		"partition":      {consumer.Partitions(at(0), at(7)), consumer.FetchError{Topic: "in", Partition: 7}},
		"offset":         {consumer.Offsets(map[consumer.TopicPartition]int64{at(7): 0}), consumer.FetchError{Topic: "in", Partition: 7}},
		"topic":          {consumer.Partitions(consumer.TopicPartition{Topic: "none"}), consumer.FetchError{Topic: "none", Partition: 0}},
		"topic to a end": {consumer.Topics("none"), consumer.FetchError{Topic: "none", Partition: -1}},
	} {
		t.Run(name, func(t *testing.T) {
			grouptest.Calmly(t, 2, func(t *testing.T, w *grouptest.World) {
				err := w.Outcome(w.Start(consumer.New(w.Settings(settings.StartTimeout(time.Second)), c.sub, consumer.ToEnd()).PlainSource().To(stream.Ignore[*strRecord]())))
				require.ErrorIs(t, err, kerr.UnknownTopicOrPartition)
				var late *consumer.StartError
				require.ErrorAs(t, err, &late)
				require.GreaterOrEqual(t, late.After, time.Second)
				var fe *consumer.FetchError
				require.ErrorAs(t, err, &fe)
				require.Equal(t, c.want.Topic, fe.Topic)
				require.Equal(t, c.want.Partition, fe.Partition)
			})
		})
	}
}

func TestPartitionsHaveNames(t *testing.T) {
	require.Equal(t, "in[3]", at(3).String())
	require.Equal(t, []string{"assigned", "lost", "revoked", "unknown"},
		slices.Sorted(maps.Keys(map[string]bool{consumer.Assigned.String(): true, consumer.Revoked.String(): true, consumer.Lost.String(): true, consumer.EventKind(9).String(): true})))
}
