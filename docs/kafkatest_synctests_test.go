//go:build synctests

package docs_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/producer"
	"github.com/vicuna-go/vicuna/serde"
	"github.com/vicuna-go/vicuna/settings"
)

// snippet: kafkatest-virtual
func TestNobodyAnswers(t *testing.T) {
	kafkatest.Virtual(t, func(t *testing.T, k *kafkatest.Broker) {
		ps := settings.NewProducer(serde.String(), serde.String(), k.Bootstrap(), k.Dialer())
		p, err := producer.NewElement(ps)
		require.NoError(t, err)
		defer p.Close(t.Context())

		k.Kill()
		started := time.Now()
		_, err = p.Send(t.Context(), envelope.New("words", "a", "a"))
		var nobody *producer.UnreachableError
		require.ErrorAs(t, err, &nobody)
		// of the bubble's time; it costs none
		require.GreaterOrEqual(t, time.Since(started), 2*time.Minute)
	})
}

// end
