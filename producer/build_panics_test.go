package producer_test

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/producer"
	"github.com/vicuna-go/vicuna/stream"
)

// A function that composes a part of a graph panics after a client was opened for another part: the
// run is none, and the client is closed, wherever the graph is built.
func TestPanicWhileAGraphIsBuilt(t *testing.T) {
	k := kafkatest.Start(t, kafkatest.Topics(1, "a"))
	for name, breaks := range map[string]func(){
		"panic":  func() { panic("the composer") },
		"goexit": runtime.Goexit,
	} {
		bad := stream.NewFlow(func(s stream.Source[*record]) stream.Source[*record] { breaks(); return s }).To(stream.Ignore[*record]())
		sink := stream.Broadcast(producer.PlainSink(sets(k)), bad)
		one := stream.FromSlice(numbered("a", 1))
		for place, graph := range map[string]stream.Graph{
			"at the start": one.To(sink),
			"in a child": stream.Each(stream.FromSlice([]stream.Sub[int, *record]{{Source: one}}), 0, func(_ int, s stream.Source[*record]) stream.Graph {
				return s.To(sink)
			}),
		} {
			t.Run(name+"/"+place, func(t *testing.T) {
				before := goleak.IgnoreCurrent()
				ended := make(chan error, 1)
				go func() {
					err := stream.ErrGoexit
					defer func() { ended <- err }()
					err = graph.Run(t.Context())
				}()
				err := <-ended
				if name == "goexit" {
					require.ErrorIs(t, err, stream.ErrGoexit)
				} else {
					var panicked *stream.PanicError
					require.ErrorAs(t, err, &panicked)
					require.Equal(t, "the composer", panicked.Value)
				}
				goleak.VerifyNone(t, before)
			})
		}
	}
}
