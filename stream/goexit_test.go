package stream_test

import (
	"context"
	"runtime"

	"github.com/vicuna-go/vicuna/stream"
)

// goexits are graphs of which a user function ends its goroutine, as a test's FailNow does.
func goexits() map[string]stream.Graph {
	exit := func(v int) int {
		if v == 5 {
			runtime.Goexit()
		}
		return v
	}
	try := func(_ context.Context, v int) (int, error) { return exit(v), nil }
	src, ignore := stream.FromSlice(ints(100)), stream.Ignore[int]()
	return map[string]stream.Graph{
		"Map":               stream.Map(src, exit).To(ignore),
		"Map after Async":   stream.Map(src.Async(), exit).Async().To(ignore),
		"MapAsync":          stream.MapAsync(src, 3, try).To(ignore),
		"MapAsyncUnordered": stream.MapAsyncUnordered(src, 3, try).To(ignore),
		"FromFunc": stream.FromFunc(func(_ context.Context, emit func(int) bool) error {
			for i := range 10 {
				emit(exit(i))
			}
			return nil
		}).To(ignore),
		"ForEach": src.To(stream.ForEach(func(_ context.Context, v int) error {
			exit(v)
			return nil
		})),
		"Each": stream.Each(stream.Map(src, func(v int) stream.Sub[int, int] { return stream.Sub[int, int]{Key: v, Source: src} }), 2,
			func(_ int, s stream.Source[int]) stream.Graph { return stream.Map(s, exit).To(ignore) }),
	}
}
