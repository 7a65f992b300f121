//go:build synctests

package docs_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/producer"
	"github.com/vicuna-go/vicuna/serde"
	"github.com/vicuna-go/vicuna/settings"
)

// counted counts the requests of a kind.
func counted(k *kafkatest.Broker, key kmsg.Key) *atomic.Int32 {
	var n atomic.Int32
	k.Cluster().ControlKey(int16(key), func(kmsg.Request) (kmsg.Response, error, bool) {
		k.Cluster().KeepControl()
		n.Add(1)
		return nil, nil, false
	})
	return &n
}

// A broker that does not answer a request in time is asked again, and idempotence keeps the record
// single.
func TestRequestTimeout(t *testing.T) {
	kafkatest.Virtual(t, func(t *testing.T, k *kafkatest.Broker) {
		ps := settings.NewProducer(serde.String(), serde.String(), k.Bootstrap(), k.Dialer(), settings.RequestTimeout(2*time.Second), settings.Logger(slogDiscard()))
		p, err := producer.NewElement(ps)
		require.NoError(t, err)
		requests := counted(k, kmsg.Produce)
		release := k.HoldAcks("words")
		f, err := p.SendFuture(t.Context(), newRecord("words", "a", "a"))
		require.NoError(t, err)
		<-time.After(40 * time.Second)
		require.Greater(t, requests.Load(), int32(1))
		release()
		_, err = f.Wait(t.Context())
		require.NoError(t, err)
		require.Len(t, kafkatest.ReadAll(t, k, "words"), 1)
		require.NoError(t, p.Close(t.Context()))
	}, kafkatest.Topics(1, "words"))
}

// Metadata is fetched anew at the age that was asked for.
func TestMetadataAge(t *testing.T) {
	kafkatest.Virtual(t, func(t *testing.T, k *kafkatest.Broker) {
		ps := settings.NewProducer(serde.String(), serde.String(), k.Bootstrap(), k.Dialer(), settings.ClientOptions(kgo.MetadataMaxAge(10*time.Second)))
		p, err := producer.NewElement(ps)
		require.NoError(t, err)
		_, err = p.Send(t.Context(), newRecord("words", "a", "a"))
		require.NoError(t, err)
		asked := counted(k, kmsg.Metadata)
		<-time.After(61 * time.Second)
		require.EqualValues(t, 6, asked.Load())
		require.NoError(t, p.Close(t.Context()))
	}, kafkatest.Topics(1, "words"))
}
