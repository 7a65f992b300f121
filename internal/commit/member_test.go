package commit

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/internal/topics"
)

// A topic that the brokers have no id of is known all the same; an id that was told once stays.
func TestIdentify(t *testing.T) {
	m := NewMember(nil, nil, "g", "", nil)
	r := m.newRequest([]Offset{{Partition: topics.Partition{Topic: "t"}}})
	require.False(t, m.knows(r.offsets))
	m.Identify("t", [16]byte{})
	require.True(t, m.knows(r.offsets))
	require.Zero(t, m.topics(r.offsets)[0].TopicID)
	m.Identify("t", [16]byte{1})
	m.Identify("t", [16]byte{})
	require.Equal(t, [16]byte{1}, m.topics(r.offsets)[0].TopicID)
}
