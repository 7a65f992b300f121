package streamtest

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/internal/blueprint"
	"github.com/vicuna-go/vicuna/internal/core"
	"github.com/vicuna-go/vicuna/stream"
)

// recorded is a tracked source of a slice that writes down what becomes of each element: the
// accounts of one assignment, without a tracker.
type recorded[T any] struct {
	elements []T // fixed when it is made

	mu        sync.Mutex
	run       *core.Run
	index     uint32
	delivered int
	marks     []mark
}

type mark struct{ done, handed, abandoned, returned bool }

func newRecorded[T any](elements []T) *recorded[T] {
	return &recorded[T]{elements: elements, marks: make([]mark, len(elements))}
}

func (r *recorded[T]) source() stream.Source[T] {
	return stream.Source[T](blueprint.NewSource(func(b *core.Builder, next func(core.At) core.Stage[T]) {
		core.DriveSource(b, "recorded", next, func(*core.Island) core.Intake[T] {
			index, err := b.Run.Ledger.Register(r, 0)
			if err != nil {
				b.Fail(err)
			}
			r.mu.Lock()
			defer r.mu.Unlock()
			r.run, r.index = b.Run, index
			return &recordedIntake[T]{r: r}
		})
	}))
}

type recordedIntake[T any] struct {
	core.IntakeBase
	r   *recorded[T]
	pos int
}

func (in *recordedIntake[T]) Next() (core.Chunk[T], core.Status) {
	rest := in.r.elements[in.pos:]
	if len(rest) == 0 {
		return core.Chunk[T]{}, core.Complete
	}
	return core.Chunk[T]{Vals: rest[:min(len(rest), 100)], First: core.MakeToken(in.r.index, uint64(in.pos))}, core.Ready
}

func (in *recordedIntake[T]) Taken(n int) {
	in.pos += n
	in.r.mu.Lock()
	in.r.delivered = in.pos
	in.r.mu.Unlock()
}

// More implements core.Beginning.
func (in *recordedIntake[T]) More() bool { return in.pos < len(in.r.elements) }

// Swept says no: what is dropped is given out all the same.
func (in *recordedIntake[T]) Swept(uint32) bool { return false }

func (r *recorded[T]) mark(base, mask uint64, set func(*mark)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range uint64(64) {
		if mask&(1<<i) != 0 {
			set(&r.marks[base+i])
		}
	}
}

// Done implements core.Assignment.
func (r *recorded[T]) Done(base, mask uint64) { r.mark(base, mask, func(m *mark) { m.done = true }) }

// HandOver implements core.Assignment.
func (r *recorded[T]) HandOver(base, mask uint64, _ string) {
	r.mark(base, mask, func(m *mark) { m.handed = true })
}

// Withdraw implements core.Assignment.
func (r *recorded[T]) Withdraw(base, mask uint64) {
	r.mark(base, mask, func(m *mark) { m.handed = false })
}

// Abandon implements core.Assignment.
func (r *recorded[T]) Abandon(base, mask uint64) {
	r.mark(base, mask, func(m *mark) { m.abandoned = true })
}

// Return implements core.Assignment.
func (r *recorded[T]) Return(base, mask uint64) {
	r.mark(base, mask, func(m *mark) { m.returned = true })
}

// Cut implements core.Assignment.
func (r *recorded[T]) Cut(position, _ uint64, _ bool) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := position; i < uint64(r.delivered); i++ {
		if m := r.marks[i]; !m.done && !m.abandoned {
			n++
		}
	}
	return n
}

// Locate implements core.Assignment.
func (r *recorded[T]) Locate(position uint64) (topic string, partition int32, offset int64, ok bool) {
	return "recorded", 7, 1000 + int64(position), true
}

// look reads the marks of what was delivered, those that islands have not reported yet too.
func (r *recorded[T]) look() []mark {
	r.run.CollectPending()
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]mark(nil), r.marks[:r.delivered]...)
}

// everySettled checks that each element that was delivered has ended, once.
func everySettled(t *testing.T, marks []mark) {
	t.Helper()
	for i, m := range marks {
		require.True(t, m.done || m.abandoned || m.returned, "the token of element %d: %+v", i, m)
		require.False(t, m.done && m.abandoned, "the token of element %d: %+v", i, m)
	}
}

func everyDone(t *testing.T, marks []mark) {
	t.Helper()
	everySettled(t, marks)
	for i, m := range marks {
		require.True(t, m.done, "the token of element %d: %+v", i, m)
	}
}

const tracked = 300

func (s *flowSuite[A, B]) tokens(t *testing.T) {
	s.run(t, "tokens done", s.tokensDone)
	s.run(t, "tokens in flight", s.tokensInFlight)
	s.run(t, "tokens at a fault", s.tokensAtFault)
	s.run(t, "tokens abandoned", s.tokensAbandoned)
	s.run(t, "tokens handed over", s.tokensHandedOver)
	s.run(t, "tokens at a drain", s.tokensAtDrain)
	s.run(t, "tokens of a lost partition", s.tokensLost)
	if !s.late {
		s.run(t, "tokens beside a branch that ended", s.tokensBesideEndedBranch)
		s.run(t, "tokens of a branch that ended", s.tokensOfEndedBranch)
	}
	if s.fails {
		s.run(t, "place of a fault", s.placeOfFault)
	}
	if !s.ends { // a flow that ends by itself leaves records behind
		s.run(t, "offsets of a consumer", s.offsetsOfConsumer)
		s.run(t, "revoke", s.revoked)
		s.run(t, "revoke at work", s.revokedAtWork)
	}
}

// consumer plays a consumer of one partition with the elements as its records.
func (s *flowSuite[A, B]) consumer(n int) (*TrackedSource[A], stream.Source[A]) {
	c := NewTracked[A](1)
	c.Append(0, s.inputs(n)...)
	return c, stream.Map(c.Source(), func(m *TrackedMessage[A]) A { return m.Value })
}

func (s *flowSuite[A, B]) offsetsOfConsumer(t *testing.T) {
	c, src := s.consumer(tracked)
	c.End()
	require.NoError(t, run(t, stream.Via(src, s.New(t, fine[A])).To(stream.Ignore[B]())))
	require.EqualValues(t, tracked, c.Committed(0))
}

// revoked: what has begun is finished and committed at once, long before the deadline, and the rest
// is given back; when the partition comes back, every element has come out once.
func (s *flowSuite[A, B]) revoked(t *testing.T) {
	c, src := s.consumer(3)
	g := newGate[B](true)
	ctl := start(t, stream.Via(src, s.New(t, fine[A])).To(g.sink()))
	synctest.Wait()
	began := time.Now()
	for _, r := range c.Revoke(20*time.Second, 0) {
		require.Zero(t, r.Dropped)
	}
	require.Zero(t, time.Since(began))
	s.same(t, s.inputs(int(c.Committed(0))), g.all())
	if !s.holds {
		require.EqualValues(t, 3, c.Committed(0))
	}
	c.Assign(0)
	c.End()
	require.NoError(t, over(t, ctl))
	require.EqualValues(t, 3, c.Committed(0))
	s.same(t, s.inputs(3), g.all())
}

// revokedAtWork is the same with elements on their way: what follows the flow is held up.
func (s *flowSuite[A, B]) revokedAtWork(t *testing.T) {
	if !s.lasts(tracked) {
		return
	}
	c, src := s.consumer(tracked)
	g := newGate[B](false)
	ctl := start(t, stream.Via(src, s.New(t, fine[A])).To(g.sink()))
	synctest.Wait()
	revoked := make(chan []Revoked, 1)
	go func() { revoked <- c.Revoke(20*time.Second, 0) }()
	synctest.Wait()
	began := time.Now()
	close(g.open)
	for _, r := range <-revoked {
		require.Zero(t, r.Dropped)
	}
	require.Zero(t, time.Since(began))
	s.same(t, s.inputs(int(c.Committed(0))), g.all())
	c.Assign(0)
	c.End()
	require.NoError(t, over(t, ctl))
	require.EqualValues(t, tracked, c.Committed(0))
	s.same(t, s.inputs(tracked), g.all())
}

// lasts reports whether the output of n elements is that of the first of them and that of the
// others, wherever they are parted: a stage that remembers what it has seen meets what was given
// back again.
func (s *flowSuite[A, B]) lasts(n int) bool {
	in := s.inputs(n)
	all := s.parts(s.Output(in))
	for k := range in {
		if !reflect.DeepEqual(all, append(s.parts(s.Output(in[:k:k])), s.parts(s.Output(in[k:]))...)) {
			return false
		}
	}
	return true
}

// emitting tells which elements add to the output.
func (s *flowSuite[A, B]) emitting(in []A) []bool {
	e := make([]bool, len(in))
	before := len(s.parts(s.Output(nil)))
	for i := range in {
		n := len(s.parts(s.Output(in[:i+1])))
		e[i] = n > before
		before = n
	}
	return e
}

func (s *flowSuite[A, B]) tokensDone(t *testing.T) {
	r := newRecorded(s.inputs(tracked))
	g := newGate[B](true)
	require.NoError(t, run(t, stream.Via(r.source(), s.New(t, fine[A])).To(g.sink())))
	s.same(t, r.elements, g.all())
	if s.ends {
		everySettled(t, r.look())
		return
	}
	require.Len(t, r.look(), tracked)
	everyDone(t, r.look())
}

// noneOfOutput checks that no element is done of which something is still to come.
func (s *flowSuite[A, B]) noneOfOutput(t *testing.T, in []A, marks []mark) {
	t.Helper()
	emitting := s.emitting(in[:len(marks)])
	for i, m := range marks {
		require.False(t, m.done && emitting[i], "the token of element %d is done, and no element was finished: %+v", i, m)
	}
}

func (s *flowSuite[A, B]) tokensInFlight(t *testing.T) {
	r := newRecorded(s.inputs(tracked))
	g := newGate[B](false)
	ctl := start(t, stream.Via(r.source(), s.New(t, fine[A])).To(g.sink()))
	synctest.Wait()
	r.run.CollectPending()
	s.noneOfOutput(t, r.elements, r.marks)
	close(g.open)
	require.NoError(t, over(t, ctl))
	everySettled(t, r.look())
}

func (s *flowSuite[A, B]) tokensAtFault(t *testing.T) {
	r := newRecorded(s.inputs(tracked))
	err := run(t, stream.Via(r.source(), s.New(t, fine[A])).To(stream.ForEach(func(context.Context, B) error { return errFault })))
	require.ErrorIs(t, err, errFault)
	placed := requirePlace(t, err)
	require.True(t, placed.Located)
	require.Equal(t, "recorded", placed.Topic)
	s.noneOfOutput(t, r.elements, r.marks)
}

func (s *flowSuite[A, B]) placeOfFault(t *testing.T) {
	r := newRecorded(s.inputs(tracked))
	err := run(t, stream.Via(r.source(), s.New(t, nth[A](3, func() error { return errFault }))).To(stream.Ignore[B]()))
	placed := requirePlace(t, err)
	require.True(t, placed.Located)
	require.Equal(t, "recorded[7]", fmt.Sprintf("%s[%d]", placed.Topic, placed.Partition))
	require.GreaterOrEqual(t, placed.Offset, int64(1000))
}

func (s *flowSuite[A, B]) tokensAbandoned(t *testing.T) {
	r := newRecorded(s.inputs(tracked))
	g := newGate[B](true)
	require.NoError(t, run(t, stream.Via(r.source(), s.New(t, fine[A])).Async().Take(1).To(g.sink())))
	require.Len(t, g.all(), 1)
	marks := r.look()
	everySettled(t, marks)
	if !s.ordered {
		return
	}
	emitting := s.emitting(r.elements[:len(marks)])
	finished := len(s.parts(g.all())) // an element adds one part or more
	for i, m := range marks {
		if emitting[i] {
			require.False(t, m.done && finished <= 0, "the token of element %d is done, and it was refused", i)
			finished--
		}
	}
}

func (s *flowSuite[A, B]) tokensHandedOver(t *testing.T) {
	r := newRecorded(s.inputs(tracked))
	sink := stream.ForEachManual(func(context.Context, B) error { return nil })
	require.NoError(t, run(t, stream.Via(r.source(), s.New(t, fine[A])).To(sink)))
	marks := r.look()
	emitting := s.emitting(r.elements[:len(marks)])
	for i, m := range marks {
		if m.done {
			require.Equal(t, emitting[i], m.handed, "the token of element %d: %+v", i, m)
		}
	}
}

func (s *flowSuite[A, B]) tokensAtDrain(t *testing.T) {
	r := newRecorded(s.inputs(20 * many))
	g := newGate[B](false)
	ctl := start(t, stream.Via(r.source(), s.New(t, fine[A])).To(g.sink()))
	synctest.Wait()
	done := make(chan error, 1)
	go func() { done <- ctl.Drain(t.Context()) }()
	synctest.Wait()
	close(g.open)
	require.NoError(t, <-done)
	_ = over(t, ctl)
	marks := r.look()
	everySettled(t, marks)
	if s.ends {
		s.same(t, r.elements[:len(marks)], g.all())
		return
	}
	// Before the cut everything was finished. At it and after it nothing was, but for what the flow
	// has left out.
	cut := slices.IndexFunc(marks, func(m mark) bool { return !m.done })
	if cut < 0 {
		cut = len(marks)
	}
	emitting := s.emitting(r.elements[:len(marks)])
	for i, m := range marks {
		require.False(t, m.abandoned, "the token of element %d was given up: %+v", i, m)
		require.True(t, i < cut || !m.done || !emitting[i], "element %d was finished, and not element %d before it: %+v", i, cut, m)
	}
	s.same(t, r.elements[:cut], g.all())
}

func (s *flowSuite[A, B]) tokensLost(t *testing.T) {
	r := newRecorded(s.inputs(tracked))
	g := newGate[B](false)
	ctl := start(t, stream.Via(r.source(), s.New(t, fine[A])).To(g.sink()))
	synctest.Wait()
	r.run.Lose([]uint32{r.index})
	close(g.open)
	require.NoError(t, over(t, ctl))
	require.Len(t, g.all(), 1, "elements of a lost partition went on")
	everySettled(t, r.look())
}

func (s *flowSuite[A, B]) tokensBesideEndedBranch(t *testing.T) {
	r := newRecorded(s.inputs(tracked))
	ended := stream.NewFlow(func(s stream.Source[A]) stream.Source[A] { return s.Take(1) }).To(stream.Ignore[A]())
	require.NoError(t, run(t, r.source().To(stream.Broadcast(s.New(t, fine[A]).To(stream.Ignore[B]()), ended))))
	everySettled(t, r.look())
	if !s.ends {
		everyDone(t, r.look())
	}
}

// tokensOfEndedBranch: a branch that wants no more while another lives has had its share, with all
// that is still in it.
func (s *flowSuite[A, B]) tokensOfEndedBranch(t *testing.T) {
	r := newRecorded(s.inputs(tracked))
	g := newGate[B](false)
	one := stream.Join(s.New(t, fine[A]), stream.NewFlow(func(s stream.Source[B]) stream.Source[B] { return s.Take(1) }))
	other := newGate[A](false)
	ctl := start(t, r.source().To(stream.Broadcast(one.To(g.sink()), other.sink())))
	synctest.Wait()
	close(g.open)
	synctest.Wait()
	close(other.open)
	require.NoError(t, over(t, ctl))
	require.Len(t, other.all(), tracked)
	everyDone(t, r.look())
}

func (s *graphSuite[T]) tokens(t *testing.T) {
	s.run(t, "tokens done", s.tokensDone)
	if s.blind {
		return
	}
	if s.hands {
		s.run(t, "tokens handed over", s.tokensHandedOver)
	} else {
		s.run(t, "tokens in flight", s.tokensInFlight)
	}
	if s.fails {
		s.run(t, "tokens at a fault", s.tokensAtFault)
	}
}

func (s *graphSuite[T]) tokensDone(t *testing.T) {
	r := newRecorded(s.inputs(tracked))
	require.NoError(t, run(t, s.New(t, r.source(), fine[T])))
	require.Len(t, r.look(), tracked)
	everyDone(t, r.look())
}

func (s *graphSuite[T]) tokensInFlight(t *testing.T) {
	r := newRecorded(s.inputs(tracked))
	g := newGate[T](false)
	ctl := start(t, s.New(t, r.source(), g.take))
	synctest.Wait()
	r.run.CollectPending()
	for i, m := range r.marks {
		require.False(t, m.done, "the token of element %d is done, and no element was finished", i)
	}
	close(g.open)
	require.NoError(t, over(t, ctl))
	everyDone(t, r.look())
}

func (s *graphSuite[T]) tokensHandedOver(t *testing.T) {
	r := newRecorded(s.inputs(tracked))
	next := 0
	require.NoError(t, run(t, s.New(t, r.source(), func(context.Context, T) error {
		r.mu.Lock()
		defer r.mu.Unlock()
		if !r.marks[next].handed {
			t.Errorf("element %d was not recorded as handed over before the hand-over", next)
		}
		next++
		return nil
	})))
	everyDone(t, r.look()) // the source gives out no Committable: the hand-over ends it
}

func (s *graphSuite[T]) tokensAtFault(t *testing.T) {
	r := newRecorded(s.inputs(tracked))
	err := run(t, s.New(t, r.source(), func(context.Context, T) error { return errFault }))
	require.ErrorIs(t, err, errFault)
	r.run.CollectPending()
	for i, m := range r.marks {
		require.False(t, m.done, "the token of element %d is done, and no element was finished", i)
	}
}
