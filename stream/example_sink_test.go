package stream_test

import (
	"context"
	"fmt"

	"github.com/vicuna-go/vicuna/stream"
)

func ExampleForEach() {
	err := stream.FromSlice([]int{1, 2}).To(stream.ForEach(func(_ context.Context, v int) error {
		fmt.Println(v)
		return nil
	})).Run(context.Background())
	fmt.Println(err)
	// Output:
	// 1
	// 2
	// <nil>
}

func ExampleToChan() {
	out := make(chan int)
	ctl, err := stream.FromSlice([]int{1, 2}).To(stream.ToChan(out)).Start(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(<-out, <-out)
	<-ctl.Done()
	fmt.Println(ctl.Err())
	// Output:
	// 1 2
	// <nil>
}

func ExampleIgnore() {
	counted := 0
	err := stream.FromSlice([]int{1, 2}).Tap(func(int) { counted++ }).To(stream.Ignore[int]()).Run(context.Background())
	fmt.Println(counted, err)
	// Output: 2 <nil>
}
