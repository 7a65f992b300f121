//go:build synctests

package producer_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/internal/testlog"
	"github.com/vicuna-go/vicuna/kafkatest"
)

// A topic that stays unknown is warned of after some seconds, and now and then; one that comes is
// told of, and one that is known is not.
func TestAnUnknownTopicIsWarnedOf(t *testing.T) {
	grouptest.OnBroker(t, func(t *testing.T, k *kafkatest.Broker) {
		var log testlog.Log
		p := element(t, sets(k, log.Option()))
		_, err := p.Send(t.Context(), envelope.New("known", "k", "v"))
		require.NoError(t, err)
		fault := k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Metadata}, Topic: "typo", Err: kerr.UnknownTopicOrPartition, Count: -1})
		f, err := p.SendFuture(t.Context(), envelope.New("typo", "k", "v"))
		require.NoError(t, err)
		<-time.After(4 * time.Second)
		require.Zero(t, log.Count("do not know the topic"))
		<-time.After(2 * time.Second)
		require.Equal(t, 1, log.Count("the brokers do not know the topic, and its records wait for it until the delivery time-out; look at its name, or create it"), log.String())
		require.Contains(t, log.String(), "topic=typo for=5s records=1 delivery_timeout=2m0s")
		<-time.After(time.Minute)
		require.Equal(t, 3, log.Count("do not know the topic"))
		fault.Remove()
		_, err = f.Wait(t.Context())
		require.NoError(t, err)
		<-time.After(time.Minute)
		require.Equal(t, 1, log.Count("the brokers know the topic now"))
		require.Equal(t, 3, log.Count("do not know the topic"))
		require.NotContains(t, log.String(), "topic=known")
	}, kafkatest.Topics(1, "known", "typo"))
}
