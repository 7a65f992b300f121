package core

import "sync"

// Line is what a stage knows of what lies upstream of it: whether the elements that reach it may
// have begun already, so that an end has to wait for all that the stage takes in. nil is a
// source's: nothing.
type Line struct {
	// Fixed when it is made.
	begins bool

	mu  sync.Mutex // joins may come while the graph runs (Concat)
	ups []*Line
}

// NewLine is the line after a stage that joins several; each is told with Join.
func NewLine() *Line { return &Line{} }

// Join adds a line that leads here.
func (l *Line) Join(up *Line) {
	if up == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ups = append(l.ups, up)
}

// Begins is the line after a stage that begins elements, or lets them wait for each other: one with
// effects, a branch beside others, a batch.
func (l *Line) Begins() *Line {
	after := &Line{begins: true}
	after.Join(l)
	return after
}

// begun reports whether elements may have begun on the way here.
func (l *Line) begun() bool {
	if l == nil {
		return false
	}
	if l.begins {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, up := range l.ups {
		if up.begun() {
			return true
		}
	}
	return false
}

// KeepsUnbegun declares that a stage of the island keeps elements, or hands them over to others,
// before anything has begun them: when their partition is paused, they have to be held back
// (Run.Freeze).
func (at At) KeepsUnbegun() {
	isl, line := at.Island, at.Line
	isl.run.OnStart(func() {
		if !line.begun() {
			isl.keepsUnbegun.Store(true)
		}
	})
}

// On is the same place on another island, which a boundary leads to.
func (at At) On(isl *Island) At { return At{Island: isl, Line: at.Line} }

// Begun is the place after a stage that begins elements.
func (at At) Begun() At {
	at.Line = at.Line.Begins()
	return at
}

// Joint is the place after a stage that joins several inputs on an island of its own; each is told
// with Input.
func Joint(isl *Island) At { return At{Island: isl, Line: NewLine()} }

// Input tells a joint of one of its inputs.
func (at At) Input(in At) { at.Line.Join(in.Line) }
