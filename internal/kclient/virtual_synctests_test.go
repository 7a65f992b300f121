//go:build synctests

package kclient

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/internal/bubble"
	"github.com/vicuna-go/vicuna/internal/testlog"
	"github.com/vicuna-go/vicuna/settings"
)

// The defaults, with nobody to talk to, in virtual time: the client's own mutexes
// hold a bubble's clock unless it is built with the tag synctests.
func TestDefaultsWithoutABroker(t *testing.T) {
	for name, c := range map[string]struct {
		dial settings.DialFunc
		late time.Duration
	}{
		"hanging": {hangingDialer, time.Second},
		"refused": {(&link{cut: true}).dial, time.Second},
	} {
		bubble.Test(t, func(t *testing.T) {
			j := &testlog.Log{}
			cfg := config(t, []string{"kafka:9092"}, j.Option(), settings.Dialer(c.dial))
			cl, err := NewProducerClient(cfg, nil)
			require.NoError(t, err)
			defer cl.Close()
			<-time.After(4 * time.Minute) // idle, up to the first periodic look at metadata
			require.Empty(t, j.String(), name)

			d := NewDeadlines(cl.Context(), cfg.DeliveryTimeout())
			defer d.Close()
			start := time.Now()
			ch := send(cl, d, cfg.DeliveryTimeout(), &kgo.Record{Topic: "t", Partition: -1})
			<-time.After(5*time.Second - 1)
			require.NotContains(t, j.String(), "no Kafka broker reached", name)
			<-time.After(2)
			require.Contains(t, j.String(), "no Kafka broker reached at kafka:9092 for 5s", name)

			o := <-ch
			var timeout *DeliveryTimeoutError
			require.ErrorAs(t, o.err, &timeout, name)
			var u *UnreachableError
			require.ErrorAs(t, o.err, &u, name)
			require.GreaterOrEqual(t, o.at.Sub(start), 2*time.Minute, name)
			require.LessOrEqual(t, o.at.Sub(start), 2*time.Minute+c.late, name)
		})
	}
}

func TestAConsumerWithoutABrokerIsWarnedOf(t *testing.T) {
	bubble.Test(t, func(t *testing.T) {
		j := &testlog.Log{}
		cl, err := NewConsumerClient(reading(t, []string{"kafka:9092"}, j.Option(), settings.Dialer((&link{cut: true}).dial), settings.Group("g")), kgo.ConsumeTopics("t"))
		require.NoError(t, err)
		defer cl.CloseAllowingRebalance()
		<-time.After(5*time.Second - 1)
		require.NotContains(t, j.String(), "no Kafka broker reached")
		<-time.After(time.Second)
		require.Contains(t, j.String(), "no Kafka broker reached at kafka:9092 for 5s")
		require.NotNil(t, Unreachable(cl))
	})
}
