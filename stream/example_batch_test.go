package stream_test

import (
	"time"

	"github.com/vicuna-go/vicuna/stream"
)

func ExampleBatch() {
	show(stream.Batch(stream.FromSlice([]int{1, 2, 3, 4, 5}), 2, time.Second))
	// Output: [[1 2] [3 4] [5]]
}

func ExampleBatchBytes() {
	size := func(s string) int { return len(s) }
	show(stream.BatchBytes(stream.FromSlice([]string{"a", "bb", "ccc", "dd"}), 10, 4, size, time.Second))
	// Output: [[a bb] [ccc] [dd]]
}
