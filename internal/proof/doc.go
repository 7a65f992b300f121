// Package proof holds tests alone: that the core (internal/core, internal/feed, internal/tracker,
// package stream) carries a copy exactly once, before package transactional is there. A small
// stand-in takes its place: session runs the blueprint in child runs, of which one is aborted.
//
// It can be broken in one place (session.broken), and a test says that this is found: the checks
// are worth something. It is no model for its package: it has no settings, no budget of memory, no
// retries, no metrics.
package proof
