// Package partitions knows the state of each partition that a run was assigned, and decides what
// follows from it: which are fetched, where reading goes back, which sub-stream begins, what is
// complete. It is pure. It has no clock, no client and no lock: it is told what has happened, asks
// what waits in the streams ([Flow]), and collects [Commands], which one place of the reader
// carries out.
//
//	Joining   assigned; where it begins is not known yet
//	Waiting   that is known, and nobody takes its records: its sub-stream has not begun, or has ended
//	Flowing   its records are fetched and taken
//	Paused    they are not fetched: by the user, for a full tracker, or for more than its share of
//	          the memory, or for several of these
//	Revoking  it is being taken away: nothing more of it is taken
//	Gone      it was
//
// Whatever changes a state is a method of [Table] whose name says so; [Transitions] lists which
// states follow which. The scripts in testdata hold the decisions, one to a file for each kind.
package partitions
