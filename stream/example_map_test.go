package stream_test

import (
	"context"
	"fmt"
	"iter"
	"strconv"
	"strings"

	"github.com/vicuna-go/vicuna/stream"
)

// show runs a stream and prints its elements, and its error.
func show[T any](src stream.Source[T]) {
	all, err := stream.Collect(context.Background(), src)
	fmt.Println(all)
	if err != nil {
		fmt.Println(err)
	}
}

func ExampleMap() {
	show(stream.Map(stream.FromSlice([]int{1, 2, 3}), func(v int) int { return v * v }))
	// Output: [1 4 9]
}

func ExampleTryMap() {
	parse := func(_ context.Context, s string) (int, error) { return strconv.Atoi(s) }
	show(stream.TryMap(stream.FromSlice([]string{"1", "x", "3"}), parse))
	// Output:
	// [1]
	// vicuna: stage "tryMap": strconv.Atoi: parsing "x": invalid syntax
}

func ExampleFilterMap() {
	parse := func(s string) (int, bool) {
		v, err := strconv.Atoi(s)
		return v, err == nil
	}
	show(stream.FilterMap(stream.FromSlice([]string{"1", "x", "3"}), parse))
	// Output: [1 3]
}

func ExampleFlatMap() {
	words := func(line string) iter.Seq[string] { return strings.FieldsSeq(line) }
	show(stream.FlatMap(stream.FromSlice([]string{"a b", "", "c"}), words))
	// Output: [a b c]
}

func ExampleSource_Filter() {
	show(stream.FromSlice([]int{1, 2, 3, 4}).Filter(func(v int) bool { return v%2 == 0 }))
	// Output: [2 4]
}

func ExampleSource_Tap() {
	n := 0
	show(stream.FromSlice([]int{1, 2, 3}).Tap(func(int) { n++ }))
	fmt.Println(n)
	// Output:
	// [1 2 3]
	// 3
}
