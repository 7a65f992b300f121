package settings

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/vicuna-go/vicuna/serde"
)

const password = "hunter2"

// openMechanism keeps its password where any printer finds it.
type openMechanism struct{ Password string }

func (openMechanism) Name() string { return "OPEN" }

func (openMechanism) Authenticate(context.Context, string) (sasl.Session, []byte, error) {
	return nil, nil, nil
}

func TestNothingShowsASecret(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	ps := valid(
		SASL(openMechanism{password}, plain.Auth{User: "u", Pass: password}.AsMechanism(), scram.Auth{User: "u", Pass: password}.AsSha512Mechanism()),
		TLS(&tls.Config{Certificates: []tls.Certificate{{PrivateKey: key, Certificate: [][]byte{[]byte(password)}}}}),
		ClientOptions(kgo.RequestRetries(3)),
	)
	require.NoError(t, ps.Err())
	raw, err := key.Bytes()
	require.NoError(t, err)
	secrets := []string{password, fmt.Sprint([]byte(password)), fmt.Sprintf("%x", password), new(big.Int).SetBytes(raw).String(), new(big.Int).SetBytes(raw).Text(16)}

	type holder struct{ unexported Producer[string, string] }
	var shown []string
	for _, v := range []any{ps, &ps, ps.ProducerConfig, &ps.ProducerConfig, holder{ps}, &holder{ps}, []any{ps}, map[string]any{"ps": ps}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%T"} {
			shown = append(shown, fmt.Sprintf(verb, v))
		}
	}
	asJSON, err := json.Marshal(map[string]any{"ps": ps, "config": ps.ProducerConfig})
	require.NoError(t, err)
	shown = append(shown, string(asJSON), ps.String(), ps.GoString(), ps.LogValue().String(), fmt.Sprint(ps.Warnings()))
	for _, h := range []func(*bytes.Buffer) slog.Handler{
		func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
		func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
	} {
		var b bytes.Buffer
		slog.New(h(&b)).Info("made", "ps", ps, "config", ps.ProducerConfig)
		require.Contains(t, b.String(), "localhost:9092")
		shown = append(shown, b.String())
	}
	for _, s := range shown {
		for _, secret := range secrets {
			require.NotContains(t, s, secret)
		}
	}
	require.Contains(t, ps.String(), "sasl: OPEN,PLAIN,SCRAM-SHA-512")
	require.Contains(t, ps.String(), "tls: on")
}

func TestNoProblemShowsASecret(t *testing.T) {
	mechanism := openMechanism{password}
	err := NewProducer(serde.String(), serde.String(),
		Bootstrap("sasl://u:"+password+"@a:9092", "u:"+password+"@b:9092"),
		Bootstrap("u:"+password+"@c:9092"),
		SASL(mechanism), SASL(mechanism), SASL(),
		ClientOptions(kgo.SASL(mechanism)),
	).Err()
	require.Error(t, err)
	for _, verb := range []string{"%v", "%+v", "%#v", "%q"} {
		require.NotContains(t, fmt.Sprintf(verb, err), password)
		for _, p := range problems(t, err) {
			require.NotContains(t, fmt.Sprintf(verb, *p), password)
		}
	}
	problem(t, err, "kgo.SASL")
	problem(t, err, "SASL")
}

func TestString(t *testing.T) {
	require.Equal(t, `settings.Producer{bootstrap: localhost:9092, client.id: vicuna, acks: 1, idempotence: false, `+
		`compression: zstd(level 3),gzip,none, linger: 0s, batch.bytes: 1000012, window.records: 45000, window.bytes: 268435456, `+
		`close.timeout: 10s, delivery.timeout: 2m0s, request.timeout: 10s, partitioner: *kgo.uniformBytesPartitioner, `+
		`dialer: custom, client.factory: custom, client.options: 1}`,
		valid(Acks(AcksLeader), Linger(0), Dialer(dialNothing), ClientFactory(kgo.NewClient), ClientOptions(kgo.MetadataMaxAge(time.Minute)),
			Compression(kgo.ZstdCompression().WithLevel(3), kgo.GzipCompression(), kgo.NoCompression())).String())
}
