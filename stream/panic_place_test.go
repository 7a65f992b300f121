package stream_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/stream"
)

// The text of a panic's error says where it was, as whoever logs the error alone has nothing else.
func TestPanicTellsItsPlace(t *testing.T) {
	var none map[string]int
	for name, f := range map[string]func(){
		"a panic": func() { panic("broken") },
		"a fault": func() { none["x"] = 1 },
		"nested":  func() { func() { panic("broken") }() },
	} {
		err := stream.FromSlice([]int{1}).To(stream.ForEach(func(context.Context, int) error {
			f()
			return nil
		})).Run(t.Context())
		require.Regexp(t, `panic: .* \(stream/panic_place_test\.go:1[6-9]\)$`, err.Error(), name)
	}
}
