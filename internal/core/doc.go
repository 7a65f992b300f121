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
// # Writing an operator
//
// An operator is a function that is given its place ([At]), its name and counters ([StageInfo]) and
// its downstream, and returns its own [Stage]: what is done with an element (Push), what is done
// when there are no more (Done, once), and how its upstream is told that nothing more is wanted
// (Link). Beside that there is, for one that
//
//   - calls a function of the user's: [Island.In] before it, [Island.Fail] when it has failed, and
//     [Island.Claim] before it where it has effects;
//   - emits several elements for one: [Island.Expanding];
//   - keeps elements: a [Holder], with Add, Emit, Flush and, where time matters, Deadline;
//   - wants no more: [Link.Cancel], and [Island.Refuse] for what comes all the same;
//   - needs a goroutine: a [Boundary], or [MapAsync] for many;
//   - begins a stream: an [Intake], of which [IntakeBase] has all but Next and Taken, and
//     [DriveSource].
//
// Tokens, frames, fates, cuts, sweeps and hurries are none of its business.
//
// # Order of locks
//
// A run's own ([Run]), then Ledger.cutMu, then Ledger.mu, then whatever an Assignment takes in Cut,
// Locate, Done, HandOver and Abandon. No lock of this package is held while a user function or a
// hook is called, and none across a wait.
package core
