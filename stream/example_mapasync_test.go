package stream_test

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/vicuna-go/vicuna/stream"
)

// lookup stands for a call to another service.
func lookup(_ context.Context, s string) (string, error) { return strings.ToUpper(s), nil }

func ExampleMapAsync() {
	show(stream.MapAsync(stream.FromSlice([]string{"a", "b", "c"}), 16, lookup))
	// Output: [A B C]
}

func ExampleMapAsyncUnordered() {
	all, err := stream.Collect(context.Background(), stream.MapAsyncUnordered(stream.FromSlice([]string{"a", "b", "c"}), 16, lookup))
	slices.Sort(all)
	fmt.Println(all, err)
	// Output: [A B C] <nil>
}
