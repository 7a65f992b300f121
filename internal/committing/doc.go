// Package committing is what lies between those who finish consumed elements, a Committer or a
// committing sink, and those who commit their offsets, the consumer's one loop for each of its
// runs.
//
// Whoever finishes an element does not commit it: its token, or its explicit Commit, marks its
// position, and the loop commits what is finished without a gap. What the loop has to be told is
// three things, and a [Stage] tells them: that there is a committer at all ([Group.Arm]; without
// one nothing is committed), that so much has come together that it should not wait for its
// interval (Wake), and that the stream has ended and waits for it (Flush).
//
// A committer stage arms every group of its run and of the runs around it, whether its elements
// come from there or not: a filter may let none through, and the offsets advance all the same.
// Groups of other graphs, whose elements came by a channel, are armed when the first of their
// offsets is observed.
//
// The package imports envelope, settings and the engine.
package committing
