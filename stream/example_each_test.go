package stream_test

import (
	"context"
	"fmt"

	"github.com/vicuna-go/vicuna/stream"
)

// A graph of its own runs for every sub-stream.
func ExampleEach() {
	subs := stream.FromSlice([]stream.Sub[string, int]{
		{Key: "a", Source: stream.FromSlice([]int{1, 2})},
		{Key: "b", Source: stream.FromSlice([]int{3})},
	})
	err := stream.Each(subs, 1, func(key string, src stream.Source[int]) stream.Graph {
		return stream.Map(src, func(v int) string { return fmt.Sprint(key, v) }).To(print[string]())
	}).Run(context.Background())
	fmt.Println(err)
	// Output:
	// a1
	// a2
	// b3
	// <nil>
}
