package consumer_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

type (
	strConsumer = grouptest.Consumer
	strRecord   = grouptest.Record
	strMessage  = grouptest.Message
	strSub      = stream.Sub[consumer.TopicPartition, *strRecord]
)

// at names a partition of the topic that tests read.
func at(p int32) consumer.TopicPartition {
	return consumer.TopicPartition{Topic: "in", Partition: p}
}

// ats names the first n.
func ats(n int) (ps []consumer.TopicPartition) {
	for p := range n {
		ps = append(ps, at(int32(p)))
	}
	return ps
}

// slowly is a committer's interval that no test waits for.
const slowly = time.Hour

// quickly are a committer's settings for those who wait for commits.
func quickly(opts ...settings.CommitterOption) settings.Committer {
	return settings.NewCommitter(append([]settings.CommitterOption{settings.MaxInterval(10 * time.Millisecond)}, opts...)...)
}

func onlyAtTheEnd(opts ...settings.CommitterOption) settings.Committer {
	return settings.NewCommitter(append([]settings.CommitterOption{settings.MaxBatch(1 << 30), settings.MaxInterval(slowly)}, opts...)...)
}

// atOffset tells of the record with an offset, once.
type atOffset struct {
	offset int64
	seen   chan struct{}
	once   sync.Once
}

func newAtOffset(o int64) *atOffset { return &atOffset{offset: o, seen: make(chan struct{})} }

func (a *atOffset) look(m *strMessage) *strMessage {
	if m.Record.Offset() == a.offset {
		a.once.Do(func() { close(a.seen) })
	}
	return m
}

// awaitFinished waits until everything that there is to read was finished. That a record was seen
// in a stage before a committing one does not say so: a drain gives back what has begun nowhere.
func awaitFinished(t *testing.T, w *grouptest.World, c *strConsumer) {
	t.Helper()
	w.Until("everything is finished", func() bool {
		lags, err := c.Lag(t.Context())
		require.NoError(t, err)
		return lags.Behind() == 0
	})
}

// awaitSent waits until the producing stage of a run has so many records without an outcome.
func awaitSent(w *grouptest.World, ctl *stream.Control, n int) {
	w.Until("records without an outcome", func() bool {
		stages := ctl.Snapshot().Stages
		return stages[len(stages)-1].Buffered == n
	})
}
