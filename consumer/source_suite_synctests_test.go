//go:build synctests

package consumer_test

import (
	"context"
	"testing"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/stream"
	"github.com/vicuna-go/vicuna/stream/streamtest"
)

// Sources keep to what is asked of every source. Without a group: the suite wants no time to pass,
// and joining takes some.
func TestSourcesConform(t *testing.T) {
	want := grouptest.Values(0, 0, 50)
	values := func(src stream.Source[*strRecord]) stream.Source[string] {
		return stream.Map(src, func(r *strRecord) string { return r.Value })
	}
	var w *grouptest.World
	bubble := streamtest.In(func(t *testing.T, run func(t *testing.T)) {
		grouptest.Calmly(t, 1, func(t *testing.T, broker *grouptest.World) {
			w = broker
			w.Fill(1, 0, len(want))
			run(t)
		})
	})
	for name, opts := range map[string][]consumer.Option{"endless": nil, "to the end": {consumer.ToEnd()}} {
		t.Run(name, func(t *testing.T) {
			features := []streamtest.Feature{bubble, streamtest.Ordered()}
			if len(opts) == 0 {
				features = append(features, streamtest.Endless())
			}
			streamtest.TestSource(t, streamtest.SourceCase[string]{Want: want, New: func(_ *testing.T, _ func(context.Context) error) stream.Source[string] {
				return values(consumer.New(w.Loose(), consumer.Partitions(at(0)), opts...).PlainSource())
			}}, features...)
		})
	}
}
