// Package proof holds tests alone: that the core (internal/core, internal/feed, internal/tracker,
// package stream) carries all three uses, before the packages for two of them are there. Small
// stand-ins take their place:
//
//   - producing: package producer itself;
//   - at least once: member, for package consumer, copies through operators that drop, split and
//     reorder, under a rebalance and under a crash;
//   - exactly once: session, for package transactional, runs the blueprint in child runs, of which
//     one is aborted.
//
// Each stand-in can be broken in one place (breakage), and a test says that the breakage is found:
// the checks are worth something.
//
// A stand-in is no model for its package: it has no settings, no budget of memory, no retries, no
// metrics.
package proof
