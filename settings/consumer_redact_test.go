package settings

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"github.com/vicuna-go/vicuna/serde"
)

func TestNoConsumerShowsASecret(t *testing.T) {
	cs := reading(
		SASL(openMechanism{password}, plain.Auth{User: "u", Pass: password}.AsMechanism()),
		TLS(&tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{[]byte(password)}}}}),
	)
	require.NoError(t, cs.Err())

	type holder struct{ unexported Consumer[string, string] }
	shown := []string{cs.String(), cs.GoString(), cs.LogValue().String(), fmt.Sprint(cs.Warnings())}
	for _, v := range []any{cs, &cs, cs.ConsumerConfig, &cs.ConsumerConfig, holder{cs}, &holder{cs}, []any{cs}, map[string]any{"cs": cs}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%T"} {
			shown = append(shown, fmt.Sprintf(verb, v))
		}
	}
	asJSON, err := json.Marshal(map[string]any{"cs": cs, "config": cs.ConsumerConfig})
	require.NoError(t, err)
	require.Contains(t, string(asJSON), `"fetch.max.wait":"250ms"`)
	var b bytes.Buffer
	slog.New(slog.NewJSONHandler(&b, nil)).Info("made", "cs", cs, "config", cs.ConsumerConfig)
	require.Contains(t, b.String(), "localhost:9092")
	for _, s := range append(shown, string(asJSON), b.String()) {
		for _, secret := range []string{password, fmt.Sprint([]byte(password)), fmt.Sprintf("%x", password)} {
			require.NotContains(t, s, secret)
		}
	}
	require.Contains(t, cs.String(), "sasl: OPEN,PLAIN")
	require.Contains(t, cs.String(), "tls: on")
}

func TestNoProblemOfAConsumerShowsASecret(t *testing.T) {
	err := NewConsumer(serde.String(), serde.String(),
		Bootstrap("sasl://u:"+password+"@a:9092"), SASL(openMechanism{password}), SASL(), ClientOptions(kgo.SASL(openMechanism{password})),
	).Err()
	for _, verb := range []string{"%v", "%+v", "%#v", "%q"} {
		require.NotContains(t, fmt.Sprintf(verb, err), password)
		for _, p := range problems(t, err) {
			require.NotContains(t, fmt.Sprintf(verb, *p), password)
		}
	}
	problem(t, err, "kgo.SASL")
	problem(t, err, "SASL")
	problem(t, err, "Bootstrap")
}
