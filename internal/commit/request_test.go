package commit

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vicuna-go/vicuna/internal/topics"
	"github.com/vicuna-go/vicuna/internal/tracker"
)

// A partition that nobody has asked to commit is left out of a request: it has nobody's owner, and
// nobody's metadata.
func TestPruneLeavesOutWhatIsUnknown(t *testing.T) {
	label := func(string) (string, bool) { return "", false }
	m := NewMember(nil, nil, "g", "", label)
	r := m.newRequest([]Offset{
		{Partition: topics.Partition{Topic: "t"}, Mark: tracker.Mark{Offset: 5}, Metadata: "of t[0]", HasMetadata: true},
		{Partition: topics.Partition{Topic: "t", Partition: 1}, Mark: tracker.Mark{Offset: 7}, Owner: NewOwner("another")},
	})
	req := kmsg.NewPtrOffsetCommitRequest()
	req.MemberID = "a"
	for topic, ids := range map[string][]int32{"t": {0, 1, 2}, "": {0}} {
		rt := kmsg.NewOffsetCommitRequestTopic()
		rt.Topic = topic
		for _, id := range ids {
			p := kmsg.NewOffsetCommitRequestTopicPartition()
			p.Partition = id
			rt.Partitions = append(rt.Partitions, p)
		}
		req.Topics = append(req.Topics, rt)
	}
	require.NoError(t, r.prune(req))
	require.Len(t, req.Topics, 1)
	require.Len(t, req.Topics[0].Partitions, 1)
	require.EqualValues(t, 0, req.Topics[0].Partitions[0].Partition)
	require.Equal(t, "of t[0]", *req.Topics[0].Partitions[0].Metadata)
	require.ErrorIs(t, r.results[0], errNoAnswer)
	require.ErrorIs(t, r.results[1], ErrGone)

	req.Topics[0].Partitions[0].Partition = 9
	require.ErrorIs(t, r.prune(req), ErrGone, "nothing is left")
}
