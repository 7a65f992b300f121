package stream_test

import (
	"context"
	"fmt"
	"slices"

	"github.com/vicuna-go/vicuna/stream"
)

// print is a sink that prints what it gets.
func print[T any]() stream.Sink[T] {
	return stream.ForEach(func(_ context.Context, v T) error {
		fmt.Println(v)
		return nil
	})
}

func ExampleFromSlice() {
	err := stream.FromSlice([]string{"a", "b"}).To(print[string]()).Run(context.Background())
	fmt.Println(err)
	// Output:
	// a
	// b
	// <nil>
}

func ExampleFromRange() {
	// A million orders, of which none is made before it is taken.
	orders := stream.Map(stream.FromRange(1, 1_000_001), func(n int) string { return fmt.Sprint("order ", n) })
	err := orders.Take(2).To(print[string]()).Run(context.Background())
	fmt.Println(err)
	// Output:
	// order 1
	// order 2
	// <nil>
}

func ExampleFromChan() {
	ch := make(chan string)
	go func() {
		defer close(ch)
		ch <- "a"
		ch <- "b"
	}()
	err := stream.FromChan(ch).To(print[string]()).Run(context.Background())
	fmt.Println(err)
	// Output:
	// a
	// b
	// <nil>
}

func ExampleFromSeq() {
	seq := slices.Values([]string{"a", "b"})
	err := stream.FromSeq(seq).To(print[string]()).Run(context.Background())
	fmt.Println(err)
	// Output:
	// a
	// b
	// <nil>
}

func ExampleFromFunc() {
	count := func(ctx context.Context, emit func(int) bool) error {
		for i := 1; emit(i); i++ { // false: nobody wants more
		}
		return nil
	}
	err := stream.FromFunc(count).Take(3).To(print[int]()).Run(context.Background())
	fmt.Println(err)
	// Output:
	// 1
	// 2
	// 3
	// <nil>
}
