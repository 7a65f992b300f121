package stream_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/vicuna-go/vicuna/stream"
)

func parse(_ context.Context, s string) (int, error) { return strconv.Atoi(s) }

func ExampleSkip() {
	show(stream.TryMap(stream.FromSlice([]string{"1", "x", "3"}), parse, stream.OnError(stream.Skip())))
	// Output: [1 3]
}

func ExampleRetry() {
	calls := 0
	flaky := func(_ context.Context, v int) (int, error) {
		if calls++; calls < 3 {
			return 0, errors.New("not yet")
		}
		return v, nil
	}
	retry := stream.Retry(stream.Backoff{First: time.Millisecond, Attempts: 5})
	show(stream.TryMap(stream.FromSlice([]int{7}), flaky, stream.OnError(retry.Else(stream.Skip()))))
	fmt.Println(calls, "calls")
	// Output:
	// [7]
	// 3 calls
}

func ExampleTryMapDivert() {
	dead := stream.ForEach(func(_ context.Context, f stream.Failed[string]) error {
		fmt.Println("dead letter:", f.Value)
		return nil
	})
	show(stream.TryMapDivert(stream.FromSlice([]string{"1", "x", "3"}), parse, dead))
	// Output:
	// dead letter: x
	// [1 3]
}

func ExampleSource_Divert() {
	negative := func(v int) bool { return v < 0 }
	show(stream.FromSlice([]int{1, -2, 3}).Divert(negative, print[int]()))
	// Output:
	// -2
	// [1 3]
}
