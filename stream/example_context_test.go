package stream_test

import (
	"strings"

	"github.com/vicuna-go/vicuna/stream"
)

// The context of an element, here its length, follows it through the operators.
func ExampleWithContext() {
	src := stream.WithContext(stream.FromSlice([]string{"a", "bb", "ccc"}), func(s string) int { return len(s) })
	upper := stream.MapWithContext(src, strings.ToUpper)
	show(upper.Filter(func(s string) bool { return s != "BB" }).Pairs())
	// Output: [{A 1} {CCC 3}]
}
