package kclient

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/internal/testlog"
	"github.com/vicuna-go/vicuna/settings"
)

// noted counts what it is told.
type noted struct{ refused, partitioned atomic.Int64 }

func (n *noted) Refused(topic string) {
	if topic == "t" {
		n.refused.Add(1)
	}
}

func (n *noted) Partitioned(*kgo.Record) { n.partitioned.Add(1) }

// franz-go tells of a refused batch in words alone, which may change.
func TestRefusalsAreTold(t *testing.T) {
	k := cluster(t, 1, kfake.BrokerConfigs(map[string]string{"message.max.bytes": "1000"}))
	n := new(noted)
	cl, err := NewProducerClient(config(t, k.ListenAddrs(), testlog.Silent(), settings.Linger(0), settings.BatchBytes(10_000), settings.Compression(kgo.NoCompression())), n)
	require.NoError(t, err)
	defer cl.Close()
	d := NewDeadlines(cl.Context(), time.Minute)
	defer d.Close()

	own := await(t, send(cl, d, time.Minute, &kgo.Record{Topic: "t", Value: []byte(strings.Repeat("x", 20_000)), Partition: -1})).err
	require.ErrorIs(t, own, kerr.MessageTooLarge)
	require.False(t, TooLargeForBroker(own))
	require.Zero(t, n.refused.Load())

	brokers := await(t, send(cl, d, time.Minute, &kgo.Record{Topic: "t", Value: []byte(strings.Repeat("x", 5000)), Partition: -1})).err
	require.ErrorIs(t, brokers, kerr.MessageTooLarge)
	require.True(t, TooLargeForBroker(brokers), "franz-go's words may have changed: %v", brokers)
	require.Greater(t, RefusedBytes(brokers), int64(5000))
	require.Less(t, RefusedBytes(brokers), int64(5100))
	require.EqualValues(t, 1, n.refused.Load(), "franz-go's words may have changed")
	require.EqualValues(t, 1, n.partitioned.Load())
}
