package core

import (
	"context"
	"slices"
	"sync"
)

// Commit groups.
//
// A source whose offsets are committed has one group for each of its runs, and its group commits
// for as long as that run lasts. It commits nothing before a committer stage has armed it; what
// that takes is between the two (internal/committing), and the engine only brings them together.
// The committer stands in the group's own run or in one inside it: a partitioned source builds a
// child run for each partition, with the committer in the child and the group in the parent. Either
// may come first, since chains are built from their end, and sources can begin late (Concat).

// A source that commits says so with NeedCommitter, and a graph without a committer stage is
// refused when it has been built (CheckCommitters): it would commit nothing, for ever, and nothing
// else would tell. What stands in a sub-graph of Each is known when that is built. So of a run that
// has sub-graphs and no committer stage of its own, each sub-graph has to have one: were one of
// them enough, it would depend on their order whether the run goes on.

// CommitGroup is what a run knows of a source's commits: see committing.Group.
type CommitGroup interface {
	// Wake asks for a commit now. It does not wait.
	Wake()
	// Flush commits what can be, and waits until the broker has answered or ctx ends.
	Flush(ctx context.Context) error
}

// groups are a run's commit groups, and those who want to hear of each.
type groups struct {
	mu       sync.Mutex
	list     []CommitGroup
	watchers []func(CommitGroup)
	commits  bool    // a committer stage is there, whether it can be built or not
	needs    []error // what is told where no committer stage can be found
	inside   bool    // sub-graphs are run inside, and may have the committer stage
}

// NeedCommitter says, while a graph is built, that a source of it commits nothing unless there is a
// committer stage; missing is told where there is none.
func (r *Run) NeedCommitter(missing error) {
	r.groups.mu.Lock()
	defer r.groups.mu.Unlock()
	r.groups.needs = append(r.groups.needs, missing)
}

// HasCommitter says, while a graph is built, that it has a committer stage.
func (r *Run) HasCommitter() {
	r.groups.mu.Lock()
	defer r.groups.mu.Unlock()
	r.groups.commits = true
}

// HasSubGraphs says, while a graph is built, that it runs others inside its run.
func (r *Run) HasSubGraphs() {
	r.groups.mu.Lock()
	defer r.groups.mu.Unlock()
	r.groups.inside = true
}

// CheckCommitters fails the graph, when it has been built, for each source of its run and of those
// around it that needs a committer stage, and for which none is in the source's run, in this one,
// or in one between the two. What a sub-graph lacks is a fault of the whole graph, which no policy
// of Each skips.
func (b *Builder) CheckCommitters() {
	found := false
	for r := b.Run; r != nil; r = r.parent {
		r.groups.mu.Lock()
		if r.groups.inside && r == b.Run {
			r.groups.mu.Unlock()
			return // each of those is looked at when it is built
		}
		found = found || r.groups.commits
		needs := slices.Clone(r.groups.needs)
		r.groups.mu.Unlock()
		if found {
			return
		}
		for _, missing := range needs {
			b.Fail(missing)
			b.Run.failAround(missing)
		}
	}
}

// failAround fails the runs around this one.
func (r *Run) failAround(err error) {
	outermost := r
	for outermost.parent != nil {
		outermost = outermost.parent
	}
	if outermost != r {
		outermost.Fail(err)
	}
}

// AddGroup tells the run of a source that commits, for as long as the run lasts. Whoever watches
// this run or one inside it is told before AddGroup returns.
func (r *Run) AddGroup(g CommitGroup) {
	r.groups.mu.Lock()
	r.groups.list = append(r.groups.list, g)
	r.groups.mu.Unlock()
	r.tellOf(g) // after that: who begins to watch in between finds the group in the list
}

func (r *Run) tellOf(g CommitGroup) {
	r.groups.mu.Lock()
	watchers := slices.Clone(r.groups.watchers)
	r.groups.mu.Unlock()
	for _, f := range watchers {
		f(g)
	}
	for _, c := range r.allChildren() {
		c.tellOf(g)
	}
}

// EachGroup calls f with every group of the run and of those around it: with those that are there
// before it returns, and with those that are still to come as they are added, on the goroutine that
// adds them. No lock is held meanwhile. A group that comes at this very moment may be told twice.
func (r *Run) EachGroup(f func(CommitGroup)) {
	r.groups.mu.Lock()
	r.groups.watchers = append(r.groups.watchers, f)
	r.groups.mu.Unlock()
	for around := r; around != nil; around = around.parent {
		around.groups.mu.Lock()
		there := slices.Clone(around.groups.list)
		around.groups.mu.Unlock()
		for _, g := range there {
			f(g)
		}
	}
}
