package core

import "sync"

// registry is what a run consists of: its islands and stages, and the runs inside it. It only
// remembers: what was registered is read a whole list at a time, and used with no lock held.
type registry struct {
	groups groups // who commits in it

	mu        sync.Mutex
	islands   []*Island
	finishers []*Finisher
	stages    []*StageInfo
	children  map[*Run]struct{}
	past      summary // of children that have left

	// What was built and has not been started.
	starts []func() error
	loops  []loop
}

// loop is what an island's goroutine does.
type loop struct {
	isl *Island
	run func()
}

// NewFinisher adds a finisher to the run.
func (r *Run) NewFinisher() *Finisher {
	f := &Finisher{run: r}
	r.registry.mu.Lock()
	defer r.registry.mu.Unlock()
	r.finishers = append(r.finishers, f)
	return f
}

func (g *registry) addIsland(isl *Island) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.islands = append(g.islands, isl)
}

func (g *registry) addStage(s *StageInfo) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.stages = append(g.stages, s)
}

func (g *registry) addChild(c *Run) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.children == nil {
		g.children = map[*Run]struct{}{}
	}
	g.children[c] = struct{}{}
}

// removeChild forgets a child, but for what its stages have done.
func (g *registry) removeChild(c *Run, done []StageCounts) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, there := g.children[c]; there {
		delete(g.children, c)
		g.past.add(done)
	}
}

func (g *registry) setLoop(isl *Island, f func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.loops = append(g.loops, loop{isl, f})
}

// OnStart calls f when the run starts, or the part of it that is being built (Concat), before its
// islands: for goroutines beside them.
func (g *registry) OnStart(f func()) {
	g.TryStart(func() error {
		f()
		return nil
	})
}

// TryStart is OnStart for what can fail: a client that has to be made. An error ends the run with
// it: no island starts, and no function that was registered after f is called. A panic is an error
// too.
func (g *registry) TryStart(f func() error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.starts = append(g.starts, f)
}

// takeUnstarted returns what was built since it was called last.
func (g *registry) takeUnstarted() (starts []func() error, loops []loop) {
	g.mu.Lock()
	defer g.mu.Unlock()
	starts, loops = g.starts, g.loops
	g.starts, g.loops = nil, nil
	return starts, loops
}

// allIslands, allStages and allFinishers are those that there are now; more may come (Concat).
func (g *registry) allIslands() []*Island {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.islands[:len(g.islands):len(g.islands)]
}

func (g *registry) allStages() []*StageInfo {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.stages[:len(g.stages):len(g.stages)]
}

func (g *registry) allFinishers() []*Finisher {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.finishers[:len(g.finishers):len(g.finishers)]
}

// allChildren are the runs inside this one that have not left it.
func (g *registry) allChildren() []*Run {
	g.mu.Lock()
	defer g.mu.Unlock()
	children := make([]*Run, 0, len(g.children))
	for c := range g.children {
		children = append(children, c)
	}
	return children
}
