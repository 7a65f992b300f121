package stream_test

import (
	"context"
	"fmt"
	"slices"

	"github.com/vicuna-go/vicuna/stream"
)

func ExampleMerge() {
	all, err := stream.Collect(context.Background(), stream.Merge(stream.FromSlice([]int{1, 2}), stream.FromSlice([]int{3, 4})))
	slices.Sort(all) // elements come as they are there
	fmt.Println(all, err)
	// Output: [1 2 3 4] <nil>
}

func ExampleConcat() {
	show(stream.Concat(stream.FromSlice([]int{1, 2}), stream.FromSlice([]int{3, 4})))
	// Output: [1 2 3 4]
}

func ExampleBroadcast() {
	out := make(chan int, 3)
	both := stream.Broadcast(stream.ToChan(out), stream.Ignore[int]())
	err := stream.FromSlice([]int{1, 2, 3}).To(both).Run(context.Background())
	fmt.Println(<-out, <-out, <-out, err)
	// Output: 1 2 3 <nil>
}
