// Package tracker finds out how far the records of one assignment of one partition are finished
// without a gap: what may be committed.
//
// Records are counted by dense delivery numbers, positions, because offsets have gaps (transaction
// markers, compaction). A position is outstanding from the poll on. It is done when nothing that
// came of it travels any more, nothing of it was given up, and nothing was handed over to user code
// or its Commit was seen.
//
// It knows nothing of memory: an [Observer] is told which positions are not outstanding any more.
//
// The package imports nothing of this module; its [Tracker] is the engine's core.Assignment.
package tracker
