package main

import (
	"context"
	"fmt"
	"time"
)

// P9: no Kafka, the price of a stream's own machinery for one element.

// concurrency of the MapAsync cases.
const concurrency = 16

func elementsWithoutKafka() scenario {
	return scenario{id: "P9", title: "no Kafka: the stream's own price an element", cases: []*benchCase{
		{
			name: "maps", unit: perElement,
			goal: goal{ratio: 100, atMost: 15, noAllocs: true},
			sides: func(size sizing) sides {
				return sides{
					ours:      oursMaps(size.of(32 << 20)),
					baselines: []side{{name: "go-streams", n: size.of(400_000), run: goStreamsMaps}},
					context: []side{
						{name: "rill", n: size.of(400_000), run: rillMaps},
						{name: "a loop", n: size.of(128 << 20), run: loopMaps},
					},
				}
			},
		},
		{
			name: "maps-ptr", unit: perElement,
			goal: goal{ratio: 100, atMost: 15, noAllocs: true},
			sides: func(size sizing) sides {
				return sides{
					ours:      oursMapsPtr(size.of(32 << 20)),
					baselines: []side{{name: "go-streams", n: size.of(400_000), run: goStreamsMapsPtr}},
					context: []side{
						{name: "rill", n: size.of(400_000), run: rillMapsPtr},
						{name: "a loop", n: size.of(128 << 20), run: loopMapsPtr},
					},
				}
			},
		},
		{
			name: "tokens", unit: perElement,
			goal: goal{atMost: 16, noAllocs: true},
			sides: func(size sizing) sides {
				return sides{
					ours:      oursTokens(size.of(8 << 20)),
					baselines: []side{{name: "go-streams (without tokens)", n: size.of(400_000), run: goStreamsMaps}},
				}
			},
		},
		{
			name: "boundary", unit: perElement,
			goal: goal{atMost: 20, noAllocs: true},
			sides: func(size sizing) sides {
				return sides{
					ours:      oursBoundary(size.of(16 << 20)),
					baselines: []side{{name: "go-streams", n: size.of(400_000), run: goStreamsBoundary}},
					context: []side{
						{name: "rill", n: size.of(400_000), run: rillBoundary},
						{name: "two goroutines, a channel of recycled slices of 256", n: size.of(16 << 20), run: loopBoundary},
					},
				}
			},
		},
		{
			name: "mapasync-0", unit: perElement,
			goal: goal{atMost: 130, noAllocs: true},
			sides: func(size sizing) sides {
				return sides{
					ours:      oursMapAsync(size.of(2<<20), instant),
					baselines: []side{{name: "go-streams Map(16), unordered", n: size.of(400_000), run: goStreamsMapAsync(instant)}},
					context:   asyncContext(size, 400_000, instant),
				}
			},
		},
		mapAsyncIdeal("mapasync-1ms", 8_000, goal{ratio: 1 / 1.1, noAllocs: false}, everySleeps),
		mapAsyncIdeal("mapasync-2pct", 400_000, goal{ratio: 1 / 1.3, noAllocs: false}, someSleep),
	}}
}

// mapAsyncIdeal compares with the time that the calls take when 16 goroutines
// share them out beforehand and nothing else: the slow time divided by 16, in
// which a sleep is as long as the machine makes it.
func mapAsyncIdeal(name string, n int, g goal, call asyncCall) *benchCase {
	return &benchCase{
		name: name, unit: perElement, goal: g,
		sides: func(size sizing) sides {
			n := size.of(n)
			return sides{
				ours:      oursMapAsync(n, call),
				baselines: []side{{name: "ideal: slow time / 16", n: n, run: idealMapAsync(call)}},
				context: append(asyncContext(size, n, call),
					side{name: "go-streams Map(16), unordered", n: n, run: goStreamsMapAsync(call)}),
			}
		},
	}
}

func asyncContext(size sizing, n int, call asyncCall) []side {
	return []side{
		{name: "rill OrderedMap(16)", n: size.of(n), run: rillMapAsync(call)},
		{name: "16 goroutines and a queue of futures, in order", n: size.of(n), run: poolMapAsync(call)},
	}
}

// asyncCall is the function of a MapAsync case.
type asyncCall func(ctx context.Context, x int) (int, error)

func instant(_ context.Context, x int) (int, error) { return x + 1, nil }

func everySleeps(_ context.Context, x int) (int, error) {
	time.Sleep(time.Millisecond)
	return x + 1, nil
}

func someSleep(_ context.Context, x int) (int, error) {
	if x%50 == 0 {
		time.Sleep(time.Millisecond)
	}
	return x + 1, nil
}

// ascending is the sink of the ordered MapAsync sides: it checks the order.
type ascending struct{ next int }

func (a *ascending) take(x int) error {
	a.next++
	if x != a.next {
		return fmt.Errorf("%d where %d was due", x, a.next)
	}
	return nil
}

func (a *ascending) complete(n int) error { return same("elements", a.next, n) }

func same(what string, got, want int) error {
	if got != want {
		return fmt.Errorf("%d %s, want %d", got, what, want)
	}
	return nil
}

// sourceSize is the length of a source's slice: a stream over more elements than
// that runs several times, so that memory does not become what is measured.
const sourceSize = 1 << 20

// ints returns the elements of a source: 0, 1, 2 and so on, n of them but no more
// than a source's size.
func ints(n int) []int {
	in := make([]int, min(n, sourceSize))
	for i := range in {
		in[i] = i
	}
	return in
}

// passes calls f for n elements in pieces of a source's size.
func passes(n int, f func(n int) error) error {
	for n > 0 {
		step := min(n, sourceSize)
		if err := f(step); err != nil {
			return err
		}
		n -= step
	}
	return nil
}
