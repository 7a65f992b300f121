package stream_test

import "github.com/vicuna-go/vicuna/stream"

// What is before Async and what is behind it run at the same time.
func ExampleSource_Async() {
	parsed := stream.Map(stream.FromSlice([]int{1, 2, 3}), func(v int) int { return v * v })
	show(stream.Map(parsed.Async(), func(v int) int { return -v }))
	// Output: [-1 -4 -9]
}

func ExampleSource_Buffer() {
	show(stream.FromSlice([]int{1, 2, 3}).Buffer(64))
	// Output: [1 2 3]
}
