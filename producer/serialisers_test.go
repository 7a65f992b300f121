package producer_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/producer"
	"github.com/vicuna-go/vicuna/serde"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// What a serialiser returns may be any part of what it appended, with any capacity, or something of
// its own: it is what is written.
func TestSerialisersThatDoNotOnlyAppend(t *testing.T) {
	parse := func(b []byte) (string, error) { return string(b), nil }
	for name, s := range map[string]struct {
		append func(dst []byte, v string) ([]byte, error)
	}{
		"clipped": {func(dst []byte, v string) ([]byte, error) { return slices.Clip(append(dst, v...)), nil }},
		"trimmed": {func(dst []byte, v string) ([]byte, error) {
			return bytes.TrimSpace(append(append(dst, "  "...), v...)), nil
		}},
		"its own": {func(_ []byte, v string) ([]byte, error) { return []byte(v), nil }},
		"outgrown": {func(dst []byte, v string) ([]byte, error) {
			return append(append(dst, v...), make([]byte, 3000)...)[:len(dst)+len(v)], nil
		}},
	} {
		t.Run(name, func(t *testing.T) {
			k := kafkatest.Start(t, kafkatest.Topics(1, "t"))
			own := serde.Func(s.append, parse)
			ps := settings.NewProducer(own, own, k.Bootstrap(), k.Dialer())
			var want []string
			for c := range 200 {
				want = append(want, string(rune('a'+c%26))+string(bytes.Repeat([]byte{byte('a' + c%26)}, c)))
			}
			records := stream.Map(stream.FromSlice(want), func(v string) *envelope.Record[string, string] {
				return envelope.New("t", "key of "+v, v)
			})
			require.NoError(t, records.To(producer.PlainSink(ps)).Run(t.Context()))
			got := kafkatest.ReadAll(t, k, "t")
			require.Len(t, got, len(want))
			for i, r := range got {
				require.Equal(t, want[i], string(r.Value))
				require.Equal(t, "key of "+want[i], string(r.Key))
			}
		})
	}
}
