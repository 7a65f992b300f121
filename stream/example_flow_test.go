package stream_test

import (
	"strconv"

	"github.com/vicuna-go/vicuna/stream"
)

// A flow is made of operators, and fits into any stream, or in front of a sink.
func ExampleNewFlow() {
	evens := stream.NewFlow(func(s stream.Source[int]) stream.Source[int] {
		return s.Filter(func(v int) bool { return v%2 == 0 })
	})
	text := stream.NewFlow(func(s stream.Source[int]) stream.Source[string] { return stream.Map(s, strconv.Itoa) })
	show(stream.Via(stream.FromSlice([]int{1, 2, 3, 4}), stream.Join(evens, text)))
	// Output: [2 4]
}
