package producer_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/internal/testlog"
	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/producer"
	"github.com/vicuna-go/vicuna/serde"
	"github.com/vicuna-go/vicuna/settings"
)

// An error of Send comes to user code with no stage around it, and says itself whose it is.
func TestSendsErrorsSayWhoseTheyAre(t *testing.T) {
	k := kafkatest.Start(t, kafkatest.Topics(1, "out", "denied"), kafkatest.InMemory())
	k.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: "denied", Err: kerr.TopicAuthorizationFailed, Count: -1})
	refuses := serde.Func(func(dst []byte, v string) ([]byte, error) {
		if v == "refused" {
			return nil, errors.New("refused")
		}
		return append(dst, v...), nil
	}, nil)
	p := element(t, settings.NewProducer(refuses, refuses, k.Bootstrap(), k.Dialer(), testlog.Silent()))
	for name, rec := range map[string]*record{
		"nil":                nil,
		"no topic":           {Value: "v"},
		"key":                envelope.New("out", "refused", "v"),
		"value":              envelope.New("out", "k", "refused"),
		"negative partition": {Topic: "out", Partition: envelope.ToPartition(-3), Value: "v"},
		"refused by Kafka":   envelope.New("denied", "k", "v"),
	} {
		_, err := p.Send(t.Context(), rec)
		require.Error(t, err, name)
		require.True(t, strings.HasPrefix(err.Error(), "vicuna: "), "%s: %v", name, err)
	}
	require.NoError(t, p.Close(t.Context()))
	_, err := p.Send(t.Context(), envelope.New("out", "k", "v"))
	require.ErrorIs(t, err, producer.ErrClosed)
}
