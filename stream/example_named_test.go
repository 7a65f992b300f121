package stream_test

import (
	"context"
	"errors"

	"github.com/vicuna-go/vicuna/stream"
)

func ExampleSource_Named() {
	check := func(_ context.Context, v int) (int, error) {
		if v > 2 {
			return 0, errors.New("too large")
		}
		return v, nil
	}
	show(stream.TryMap(stream.FromSlice([]int{1, 2, 3}), check).Named("check size"))
	// Output:
	// [1 2]
	// vicuna: stage "check size": too large
}
