package stream_test

import "github.com/vicuna-go/vicuna/stream"

func ExampleSource_Take() {
	show(stream.FromSlice([]int{1, 2, 3, 4}).Take(2))
	// Output: [1 2]
}

func ExampleSource_TakeWhile() {
	show(stream.FromSlice([]int{1, 2, 3, 1}).TakeWhile(func(v int) bool { return v < 3 }))
	// Output: [1 2]
}

func ExampleSource_Drop() {
	show(stream.FromSlice([]int{1, 2, 3, 4}).Drop(3))
	// Output: [4]
}

func ExampleSource_DropWhile() {
	show(stream.FromSlice([]int{1, 2, 3, 1}).DropWhile(func(v int) bool { return v < 3 }))
	// Output: [3 1]
}
