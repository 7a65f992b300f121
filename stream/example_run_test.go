package stream_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/vicuna-go/vicuna/stream"
)

// Cancelling the context of Run drains: sources stop, and what is in flight is finished.
func ExampleGraph_Run() {
	ctx, stop := context.WithCancelCause(context.Background())
	src := stream.FromChan(make(chan int)) // nothing comes
	stop(errors.New("time to go"))
	err := src.To(stream.Ignore[int]()).Run(ctx)
	fmt.Println(errors.Is(err, stream.ErrDrained), err)
	// Output: true vicuna: the stream was drained: time to go
}

func ExampleControl_Drain() {
	in, out := make(chan int), make(chan int, 2)
	ctl, err := stream.FromChan(in).To(stream.ToChan(out)).Start(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	in <- 1
	in <- 2
	fmt.Println(ctl.Drain(context.Background())) // nil: everything is finished
	fmt.Println(<-out, <-out)
	// Output:
	// <nil>
	// 1 2
}

func ExampleSource_All() {
	for v, err := range stream.FromSlice([]int{1, 2, 3, 4}).All(context.Background()) {
		if err != nil {
			fmt.Println(err)
		}
		if v == 3 {
			break // stops the stream
		}
		fmt.Println(v)
	}
	// Output:
	// 1
	// 2
}

func ExampleFold() {
	sum, err := stream.Fold(context.Background(), stream.FromSlice([]int{1, 2, 3}), 0, func(sum, v int) int { return sum + v })
	fmt.Println(sum, err)
	// Output: 6 <nil>
}

func ExampleFirst() {
	v, err := stream.First(context.Background(), stream.FromSlice([]int{5, 6}))
	fmt.Println(v, err)
	// Output: 5 <nil>
}

func ExampleCollect() {
	all, err := stream.Collect(context.Background(), stream.FromSlice([]int{5, 6}))
	fmt.Println(all, err)
	// Output: [5 6] <nil>
}
