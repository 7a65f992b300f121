// Package streamtest holds streams to their contracts: a conformance suite for sources, flows and
// sinks, yours as well as those of this module, and probes that drive a stage element by element.
//
// # The suite
//
// [TestSource], [TestFlow], [TestSink] and [TestGraph] run a stage through completion, failure (of
// its upstream, of its own), panic, cancellation from behind, early exit, drain (by context and by
// Control), hard stop, back-pressure, a second run, runs at the same time, hurry, and the
// accounting of tokens. After each case they look for goroutines that were left behind.
//
//	func TestDedup(t *testing.T) {
//		streamtest.TestFlow(t, streamtest.FlowCase[int, int]{
//			New:    func(*testing.T, func(context.Context, int) error) stream.Flow[int, int] { return dedup() },
//			Input:  func(i int) int { return i / 2 },
//			Output: func(in []int) []int { return slices.Compact(slices.Clone(in)) },
//		}, streamtest.Ordered(), streamtest.Again(), streamtest.Ahead(0))
//	}
//
// What a stage can do is declared as [Feature]s and never guessed: a case whose feature is not
// declared does not run, one whose feature is must pass. A stage that has a user function calls,
// from it, the function that New is given; through that the suite fails, panics, blocks and looks.
//
// Every case runs in a bubble of [testing/synctest], so time is virtual, "nothing more happens" is
// a fact and not a matter of patience, and a stream that hangs is found at once. Stages that talk
// to a broker pass their own bubble with [In].
//
// # Probes
//
// [SourceProbe] sends element by element and knows whether the stage has taken them; [SinkProbe]
// takes them one by one, expects none, completes, cancels and fails. They work in and outside of a
// bubble.
//
// The package imports stream, the engine under it, and testify.
package streamtest
