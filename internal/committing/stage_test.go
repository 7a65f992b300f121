package committing_test

import (
	"context"
	"errors"
	"iter"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/internal/committing"
	"github.com/vicuna-go/vicuna/internal/core"
	"github.com/vicuna-go/vicuna/settings"
)

func newRun() *core.Run {
	return core.NewRun(context.Background(), core.Limits{Drain: time.Second, Close: time.Second})
}

func TestStageArmsTheGroupsOfItsRun(t *testing.T) {
	run := newRun()
	before, after := &group{}, &group{}
	run.AddGroup(before)
	cm := settings.NewCommitter(settings.MaxBatch(7))
	s := committing.NewStage(run, cm)
	require.Equal(t, []settings.Committer{cm}, before.arms())
	run.AddGroup(after)
	require.Equal(t, []settings.Committer{cm}, after.arms(), "a source that begins later")
	require.Equal(t, []committing.Group{before, after}, s.Groups())

	other := settings.NewCommitter(settings.MaxBatch(8))
	committing.NewStage(run, other)
	require.Equal(t, []settings.Committer{cm, other}, before.arms(), "each stage has its say")
}

// The committer stands in a child, and the group in any run around it; a group in a child is none
// of the parent's stages' business, nor of its neighbours'.
func TestStageArmsTheGroupsAroundIt(t *testing.T) {
	run := newRun()
	child := run.Child()
	grandchild, sibling := child.Child(), run.Child()
	groups := map[string]*group{}
	add := func(name string, r *core.Run) {
		groups[name] = &group{}
		r.AddGroup(groups[name])
	}
	add("run, before", run)
	add("child, before", child)
	s := committing.NewStage(grandchild, settings.NewCommitter())
	outer := committing.NewStage(run, settings.NewCommitter())
	add("run, later", run)
	add("child, later", child)
	add("own, later", grandchild)
	add("sibling", sibling)
	require.ElementsMatch(t, []committing.Group{
		groups["run, before"], groups["child, before"], groups["run, later"], groups["child, later"], groups["own, later"],
	}, s.Groups())
	require.ElementsMatch(t, []committing.Group{groups["run, before"], groups["run, later"]}, outer.Groups())
	require.Empty(t, groups["sibling"].arms())

	// A child that is over hears of nothing more.
	child.Leave(grandchild)
	add("child, too late", child)
	require.Len(t, s.Groups(), 5)
}

// Groups that come while stages do are armed by each stage, once.
func TestGroupsAndStagesComeAtOnce(t *testing.T) {
	const n = 50
	run := newRun()
	child := run.Child()
	groups := make([]*group, n)
	stages := make([]*committing.Stage, n)
	var all sync.WaitGroup
	for i := range n {
		groups[i] = &group{}
		all.Go(func() { run.AddGroup(groups[i]) })
		all.Go(func() { stages[i] = committing.NewStage(child, settings.NewCommitter()) })
	}
	all.Wait()
	for i := range n {
		require.Len(t, groups[i].arms(), n)
		require.Len(t, stages[i].Groups(), n)
	}
}

// A group that comes while the stage looks at those that are there is not missed, in whichever run.
func TestGroupComesBetween(t *testing.T) {
	run := newRun()
	child := run.Child()
	run.AddGroup(&group{})
	between := []*group{{}, {}}
	told := map[core.CommitGroup]int{}
	child.EachGroup(func(g core.CommitGroup) {
		told[g]++
		if len(told) == 1 {
			run.AddGroup(between[0])
			child.AddGroup(between[1])
		}
	})
	require.Len(t, told, 3)
	require.Positive(t, told[between[0]])
	require.Positive(t, told[between[1]])
}

// observe is what a stage does with an element.
func observe(o *committing.Observer, v any) {
	o.Observe(0, v)
	o.Count()
}

func TestObserve(t *testing.T) {
	s := committing.NewStage(newRun(), settings.NewCommitter())
	g := &group{}
	off, fake := &offset{of: g}, &foreign{}
	observe(&s.Observer, off)
	observe(&s.Observer, fake)
	observe(&s.Observer, nil)
	observe(&s.Observer, 7)
	observe(&s.Observer, []envelope.Committable{off, fake, nil})
	require.Equal(t, offset{of: g, answers: 2}, *off)
	require.Equal(t, 2, fake.commits)
	require.Len(t, g.arms(), 1, "a group of another graph is armed when it is met")
	observe(s.Another(), off)
	require.Len(t, g.arms(), 1)
	require.Zero(t, g.wakes.Load())
	require.NoError(t, s.Flush(t.Context()))
	require.EqualValues(t, 1, g.flushes.Load())
}

// batches is an operator that keeps elements and remembers the token of what it emits.
type batches struct {
	core.Holder[core.Token]
	isl *core.Island
	out core.Token
}

func (b *batches) Flush() { b.Emit(func([]core.Token) { b.out = b.isl.Out() }) }

// batchOf is the token of a batch of elements with these tokens.
func batchOf(isl *core.Island, toks iter.Seq[core.Token]) core.Token {
	b := &batches{isl: isl}
	b.Attach(core.At{Island: isl}, b, 0)
	for t := range toks {
		outer := isl.Enter(t, false)
		b.Add(t)
		isl.Leave(outer)
	}
	b.Flush()
	return b.out
}

// What an element carries by its token is finished with it, and no hand-over of another branch is
// touched. What came by a channel answers one, also inside of a batch, and beside others that came
// by their tokens; an offset of another run is not this one's, even where the words are the same.
func TestObserveTellsTokensFromChannels(t *testing.T) {
	run, other := newRun(), newRun()
	isl := run.NewIsland()
	at := func(position uint64) core.Token { return core.MakeToken(2, position) }
	batch := func(positions ...uint64) core.Token {
		return batchOf(isl, func(yield func(core.Token) bool) {
			for _, p := range positions {
				yield(at(p))
			}
		})
	}
	for name, c := range map[string]struct {
		token    core.Token
		offsets  []offset // of one element
		answered []int
	}{
		"by its token":                        {at(1), []offset{{run: run, token: at(1)}}, []int{0}},
		"by a channel":                        {0, []offset{{run: run, token: at(1)}}, []int{1}},
		"by a channel, of another run":        {0, []offset{{run: other, token: at(1)}}, []int{1}},
		"another run's of the same word":      {at(1), []offset{{run: other, token: at(1)}}, []int{1}},
		"an element that carries another's":   {at(1), []offset{{run: run, token: at(2)}}, []int{1}},
		"a batch by its token":                {batch(1, 2, 3, 9), []offset{{run: run, token: at(1)}, {run: run, token: at(2)}, {run: run, token: at(9)}}, []int{0, 0, 0}},
		"a batch, one offset":                 {batch(1, 2), []offset{{run: run, token: at(2)}}, []int{0}},
		"a batch by a channel":                {0, []offset{{run: run, token: at(1)}, {run: run, token: at(1)}, {run: run, token: at(2)}}, []int{1, 1, 1}},
		"a batch of both":                     {batch(1, 4), []offset{{run: run, token: at(1)}, {run: run, token: at(2)}, {run: other, token: at(4)}, {run: run, token: at(4)}}, []int{0, 1, 1, 0}},
		"where nothing was ever handed over":  {0, []offset{{run: run, token: at(1), inside: true}}, []int{0}},
		"a batch where nothing ever was":      {0, []offset{{run: run, token: at(1), inside: true}, {run: other, token: at(1)}}, []int{0, 1}},
		"an offset that has ended, and is no": {at(1), []offset{{inside: true}}, []int{0}},
	} {
		g := &group{}
		s := committing.NewStage(run, settings.NewCommitter())
		var all []envelope.Committable
		for i := range c.offsets {
			c.offsets[i].of = g
			all = append(all, &c.offsets[i])
		}
		for range 2 { // an observer is used again
			if len(all) == 1 {
				s.Observe(c.token, all[0])
			}
			s.Observe(c.token, all)
		}
		for i, o := range c.offsets {
			want := 2 * c.answered[i]
			if len(all) == 1 {
				want *= 2
			}
			require.Equal(t, want, o.answers, "%s: %d", name, i)
			require.Zero(t, o.commits, name)
		}
	}
}

func TestEachBatchWakesAllGroups(t *testing.T) {
	run := newRun()
	g := &group{}
	run.AddGroup(g)
	s := committing.NewStage(run, settings.NewCommitter(settings.MaxBatch(3)))
	other := &group{}
	for i := range 10 {
		observe(&s.Observer, nil)
		require.EqualValues(t, (i+1)/3, g.wakes.Load(), "after %d elements", i+1)
	}
	observe(&s.Observer, &offset{of: other})
	require.Zero(t, other.wakes.Load())
	observe(&s.Observer, nil) // the twelfth
	require.EqualValues(t, 4, g.wakes.Load())
	require.EqualValues(t, 1, other.wakes.Load())
}

// Several goroutines count together: none of them knows of the others' elements, and each batch
// wakes once.
func TestObserversCountTogether(t *testing.T) {
	run := newRun()
	g := &group{}
	run.AddGroup(g)
	s := committing.NewStage(run, settings.NewCommitter(settings.MaxBatch(10)))
	var all sync.WaitGroup
	for range 4 {
		o := s.Another()
		all.Go(func() {
			for range 25_000 {
				observe(o, nil)
			}
		})
	}
	all.Wait()
	require.EqualValues(t, 10_000, g.wakes.Load())
}

// A stage that outlives the consumers of other graphs forgets them.
func TestGroupsThatHaveEndedAreForgotten(t *testing.T) {
	run := newRun()
	own := &group{}
	run.AddGroup(own)
	s := committing.NewStage(run, settings.NewCommitter())
	for range 100 {
		g := &group{}
		observe(&s.Observer, &offset{of: g})
		require.Len(t, g.arms(), 1)
		g.over.Store(true)
	}
	require.LessOrEqual(t, len(s.Groups()), 2)
	require.Contains(t, s.Groups(), committing.Group(own))
}

var errCommit, errOther = errors.New("the commit has failed"), errors.New("the other commit has failed")

// Flush asks all groups at the same time: the slowest decides, not the sum of them, and all errors
// are told.
func TestFlushAsksAllGroupsAtOnce(t *testing.T) {
	run := newRun()
	asked := make(chan struct{}, 3)
	release := make(chan struct{})
	for _, err := range []error{errCommit, nil, errOther} {
		run.AddGroup(&group{flush: func(context.Context) error {
			asked <- struct{}{}
			<-release
			return err
		}})
	}
	s := committing.NewStage(run, settings.NewCommitter())
	done := make(chan error, 1)
	run.Go("test", func() { done <- s.Flush(t.Context()) })
	for range 3 {
		<-asked
	}
	close(release)
	err := <-done
	require.ErrorIs(t, err, errCommit)
	require.ErrorIs(t, err, errOther)
	require.NoError(t, committing.NewStage(newRun(), settings.NewCommitter()).Flush(t.Context()), "no group")
}

func TestObserveAllocatesNothing(t *testing.T) {
	s := committing.NewStage(newRun(), settings.NewCommitter(settings.MaxBatch(10)))
	off, fake := &offset{of: &group{}}, &foreign{}
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		observe(&s.Observer, off)
		observe(&s.Observer, fake)
		observe(&s.Observer, nil)
	}))
	run := newRun()
	isl := run.NewIsland()
	var offs []envelope.Committable
	for p := range uint64(100) {
		offs = append(offs, &offset{of: &group{}, run: run, token: core.MakeToken(2, 2*p)})
	}
	batch, all := batchOf(isl, func(yield func(core.Token) bool) {
		for p := range uint64(100) {
			yield(core.MakeToken(2, 2*p))
		}
	}), any(offs)
	s = committing.NewStage(run, settings.NewCommitter())
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		s.Observe(batch, offs[77])
		s.Observe(batch, all)
	}), "a batch of what was handed over elsewhere")
}

func BenchmarkObserve(b *testing.B) {
	for name, v := range map[string]any{"offset": &offset{of: &group{}}, "foreign": &foreign{}, "nil": nil} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			s := committing.NewStage(newRun(), settings.NewCommitter())
			for b.Loop() {
				observe(&s.Observer, v)
			}
		})
	}
	run := newRun()
	for name, off := range map[string]*offset{
		"by its token":                   {of: &group{}, run: run, token: core.MakeToken(2, 5), inside: true},
		"by its token, beside hand-over": {of: &group{}, run: run, token: core.MakeToken(2, 5)},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			s := committing.NewStage(run, settings.NewCommitter())
			var v any = off
			for b.Loop() {
				s.Observe(core.MakeToken(2, 5), v)
				s.Count()
			}
		})
	}
}
