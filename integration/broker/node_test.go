package broker

import (
	"errors"
	"net"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

func TestKafkaNode(t *testing.T) {
	b, err := distribution{}.Start(t.Context())
	if errors.Is(err, ErrAbsent) {
		t.Skip(err)
	}
	require.NoError(t, err)
	exerciseNode(t, b)
}

func TestEmbeddedNode(t *testing.T) {
	b, err := embedded{}.Start(t.Context())
	require.NoError(t, err)
	exerciseNode(t, b)
}

// exerciseNode writes, reads back with the console consumer where there is one, crashes the node,
// finds the data again, and stops it.
func exerciseNode(t *testing.T, b *Broker) {
	closed := false
	t.Cleanup(func() {
		if !closed {
			_ = b.Close()
		}
	})
	n := b.Node
	dir, addrs, log := n.dir, n.addrs, n.log
	require.ErrorIs(t, n.Start(t.Context()), ErrRunning)

	t.Run("records", func(t *testing.T) {
		topic := b.CreateTopic(t, 3, "cleanup.policy", "delete")
		cl := b.Client(t, kgo.RecordPartitioner(kgo.ManualPartitioner()))
		produce := func(r *kgo.Record) {
			r.Topic = topic
			require.NoError(t, cl.ProduceSync(t.Context(), r).FirstErr())
		}
		produce(&kgo.Record{Partition: 1, Key: []byte("k"), Value: []byte("line\none"), Headers: []kgo.RecordHeader{
			{Key: "h", Value: []byte("1")}, {Key: "h", Value: []byte("2")}, {Key: "null"},
		}})
		crashed := n.Pid()
		require.NoError(t, n.Kill())
		require.Zero(t, n.Pid())
		require.NoError(t, n.Start(t.Context()))
		require.NotEqual(t, crashed, n.Pid())
		produce(&kgo.Record{Partition: 1, Key: []byte{}, Value: nil})
		produce(&kgo.Record{Partition: 2, Key: nil, Value: []byte{}})

		ends, err := kadm.NewClient(cl).ListEndOffsets(t.Context(), topic)
		require.NoError(t, err)
		require.Equal(t, []int64{0, 2, 1}, endOffsets(ends, topic, 3))
		if b.Tools == nil {
			t.Log("not read back with the console consumer: there is no Kafka distribution")
			return
		}
		lines := b.ConsoleConsume(t, topic, 3)
		at := func(partition int32) (of []Line) {
			for _, l := range lines {
				if l.Partition == partition {
					of = append(of, l)
				}
			}
			return of
		}
		one, two := at(1), at(2)
		require.Len(t, one, 2)
		require.Len(t, two, 1)
		require.Equal(t, "k", string(one[0].Key))
		require.Equal(t, "line\none", string(one[0].Value))
		require.Equal(t, []kgo.RecordHeader{
			{Key: "h", Value: []byte("1")}, {Key: "h", Value: []byte("2")}, {Key: "null"},
		}, one[0].Headers)
		require.EqualValues(t, 1, one[1].Offset)
		require.NotNil(t, one[1].Key)
		require.Nil(t, one[1].Value, "a tombstone")
		require.Nil(t, two[0].Key)
		require.NotNil(t, two[0].Value)
	})

	closed = true
	require.NoError(t, b.Close())
	require.Zero(t, n.Pid())
	for _, addr := range addrs {
		_, err := net.Dial("tcp", addr)
		require.Error(t, err, "somebody still listens")
	}
	require.NoDirExists(t, dir)
	require.NoFileExists(t, log)
}

func endOffsets(ends kadm.ListedOffsets, topic string, partitions int32) (all []int64) {
	for p := range partitions {
		end, _ := ends.Lookup(topic, p)
		all = append(all, end.Offset)
	}
	return all
}

func TestNodeThatEndsAtOnceSaysWhy(t *testing.T) {
	n, err := startEmbedded(t.Context())
	require.NoError(t, err)
	require.NoError(t, n.Stop())
	defer func() { require.NoError(t, n.close()) }()
	// The port is taken, so the broker cannot come up on it again.
	var listen net.ListenConfig
	l, err := listen.Listen(t.Context(), "tcp", n.addrs[0])
	require.NoError(t, err)
	defer l.Close()
	err = n.Start(t.Context())
	require.ErrorIs(t, err, errExited)
	require.ErrorContains(t, err, "address already in use", "the log is not shown")
	require.Zero(t, n.Pid())
	require.NoError(t, l.Close())
	require.NoError(t, n.Start(t.Context()))
	_, err = os.Stat(n.dir)
	require.NoError(t, err)
}
