// Package core is the engine under package stream: islands, boundaries, tokens, hurry and the life
// of a run. It knows nothing of Kafka. Users never see it; stream is its typed face, and the
// producer, consumer and transactional packages build their stages on it.
//
// # Islands and boundaries
//
// An [Island] is one goroutine that takes elements from an [Intake] and pushes each through a chain
// of closures that was fused when the graph was built ([Stage]). Islands are joined by boundaries:
// [Boundary] (one sender, one receiver) and [Slots] (results of work that finishes in any order,
// taken in order). A boundary is a bounded ring whose fill index is published per element, so an
// element that is finished is visible to an idle receiver at once, also while the sender is inside
// a slow user function. There is no linger timer anywhere.
//
// # Tokens
//
// A [Token] travels beside each element of a tracked source; 0 is none and costs nothing. Operators
// do not handle tokens: the island keeps a frame {cur, outs, fate} for the element in hand and
// settles it when the fused closure returns (see frame.go). Whoever ends a token reports it to the
// [Assignment] that issued it, through the run's [Ledger].
//
// # Order of locks
//
// Run.mu, then Ledger.mu, then whatever an Assignment takes in Done, HandOver and Abandon. No lock
// of this package is held while a user function, an Assignment or a hook is called, and none across
// a wait.
package core
