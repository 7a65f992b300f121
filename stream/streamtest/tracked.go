package streamtest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/vicuna-go/vicuna/internal/feed"
	"github.com/vicuna-go/vicuna/internal/topics"
	"github.com/vicuna-go/vicuna/internal/tracker"
	"github.com/vicuna-go/vicuna/stream"
)

// ErrAborted is how a run ends that [TrackedSource.Abort] has stopped.
var ErrAborted = errors.New("vicuna: streamtest: the transaction was aborted")

// ErrTracked says that a TrackedSource was run while another run of it had not ended. It stands for
// one consumer.
var ErrTracked = errors.New("vicuna: streamtest: the tracked source runs already")

// ErrNoRun says that a checkpoint was taken of a source that is not running.
var ErrNoRun = errors.New("vicuna: streamtest: a checkpoint needs a run")

// TrackedSource plays a Kafka consumer for a stream, without Kafka: partitions of records in
// memory, offsets that are committed when it is safe, partitions that are revoked, lost and
// assigned again while the stream runs, transactions that are aborted. Its elements carry the same
// tokens as a consumer's, so a test can tell whether a flow finishes, loses or strands offsets:
//
//	src := streamtest.NewTracked[int](2)
//	src.Append(0, 1, 2, 3)
//	src.End()
//	require.NoError(t, src.Source().Filter(odd).To(sink).Run(ctx))
//	require.EqualValues(t, 3, src.Committed(0))
//
// What was committed when a run has ended, in whatever way, is where the next one goes on. At first
// all partitions are assigned. It is safe for use by several goroutines; one run at a time. It uses
// no clock but for the deadlines of Revoke, and runs in a bubble of testing/synctest.
type TrackedSource[T any] struct {
	opts trackedOptions // fixed when it is made

	mu       sync.Mutex
	logs     []trackedLog[T]
	ended    bool
	run      session
	onCommit func(partition int32, offset int64)
	onTxn    func(committed bool)
}

// session is a run of the source, whatever its elements are. None takes the lock of the source or
// waits, but for checkpoint.
type session interface {
	poke()
	assign(partition int32) error
	revoke(within time.Duration, partitions []topics.Partition) (wait func() []feed.End)
	lose(partitions []topics.Partition)
	pause(partitions []int32, paused bool)
	collect()
	committable(visit func(partition int32, m tracker.Mark))
	outstanding(partition int32) int
	oldest(partition int32) (offset int64, age time.Duration, ok bool)
	abort()
	checkpoint(ctx context.Context) error
}

type trackedOptions struct {
	feed          feed.Options
	poll          int
	transactional bool
}

// TrackedOption is an option of [NewTracked].
type TrackedOption func(*trackedOptions)

// TrackLimit bounds the records of a partition that are on their way, from the first that is not
// finished on. Default 131,072.
func TrackLimit(n int) TrackedOption { return func(o *trackedOptions) { o.feed.Limit = n } }

// QueueLimit bounds the records of a partition that were fetched and wait for the stream. Default
// 1024.
func QueueLimit(n int) TrackedOption { return func(o *trackedOptions) { o.feed.Queue = n } }

// PollSize bounds the records of a partition that one poll brings. Default 512.
func PollSize(n int) TrackedOption { return func(o *trackedOptions) { o.poll = n } }

// Transactional commits as transactions do: by [TrackedSource.Checkpoint], at a revoke, and when a
// drained run has ended, all partitions together. Outputs enter the transaction at [Entering].
func Transactional() TrackedOption { return func(o *trackedOptions) { o.transactional = true } }

// NewTracked makes a source with so many partitions, numbered from 0, without records.
func NewTracked[T any](partitions int, opts ...TrackedOption) *TrackedSource[T] {
	s := &TrackedSource[T]{opts: trackedOptions{poll: 512}, logs: make([]trackedLog[T], partitions)}
	for _, o := range opts {
		o(&s.opts)
	}
	for i := range s.logs {
		s.logs[i].assigned = true
	}
	return s
}

// Partitions is the number of partitions.
func (s *TrackedSource[T]) Partitions() int { return len(s.logs) }

// Append adds records to a partition.
func (s *TrackedSource[T]) Append(partition int32, values ...T) {
	s.mu.Lock()
	s.logs[partition].append(values)
	s.mu.Unlock()
	s.poke()
}

// Skip leaves n offsets out: the next record of the partition has an offset that is so much higher,
// as behind transaction markers or compaction.
func (s *TrackedSource[T]) Skip(partition int32, n int64) {
	s.mu.Lock()
	s.logs[partition].skip(n)
	s.mu.Unlock()
}

// End says that there will be no more records: runs complete when every record of the assigned
// partitions was finished, or handed over to user code. Without it they wait for more.
func (s *TrackedSource[T]) End() {
	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
	s.poke()
}

// OnCommit calls f with each offset that is committed: that of the record after the last finished
// one. f must not use the source.
func (s *TrackedSource[T]) OnCommit(f func(partition int32, offset int64)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onCommit = f
}

// OnTransaction calls f with the end of each transaction of a [Transactional] source: when it was
// committed, before anything enters the next one, or when the run of an aborted one has ended. f
// must not use the source.
func (s *TrackedSource[T]) OnTransaction(f func(committed bool)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onTxn = f
}

// Assign gives partitions to the consumer that it does not have; they are read from their committed
// offsets on.
func (s *TrackedSource[T]) Assign(partitions ...int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range partitions {
		if s.logs[p].assigned {
			continue
		}
		s.logs[p].assigned = true
		if s.run != nil {
			_ = s.run.assign(p) // the run has failed with the error
		}
	}
	if s.run != nil {
		s.run.poke()
	}
}

// Revoked is how a revoke has ended for a partition.
type Revoked struct {
	Partition int32
	// Dropped is the number of records that were on their way at the deadline.
	Dropped int
}

// Revoke takes partitions away as a rebalance does: nothing more of them is delivered, what is on
// its way gets so much time to be finished, and is dropped then. What is finished is committed
// before Revoke returns, and nothing of it afterwards. A [Transactional] source ends its
// transaction for that, and aborts it where the time is over first.
func (s *TrackedSource[T]) Revoke(within time.Duration, partitions ...int32) []Revoked {
	s.mu.Lock()
	ps := s.unassign(partitions)
	if s.run == nil {
		s.mu.Unlock()
		return nil
	}
	wait := s.run.revoke(within, ps)
	s.mu.Unlock()
	ends := wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	var revoked []Revoked
	for _, e := range ends {
		s.commitEnd(e)
		revoked = append(revoked, Revoked{Partition: e.Partition.Partition, Dropped: e.Outstanding})
	}
	return revoked
}

// Lose takes partitions away that are somebody else's already: nothing is waited for and nothing
// committed. A transaction is aborted: it has outputs of them, perhaps.
func (s *TrackedSource[T]) Lose(partitions ...int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ps := s.unassign(partitions)
	if s.run != nil {
		s.run.lose(ps)
	}
}

// Pause keeps records of partitions from beginning, as a consumer's Pause does, until they are
// resumed or taken away: what has begun goes on, nothing else begins.
func (s *TrackedSource[T]) Pause(partitions ...int32) { s.pause(partitions, true) }

// Resume lets them go on.
func (s *TrackedSource[T]) Resume(partitions ...int32) { s.pause(partitions, false) }

func (s *TrackedSource[T]) pause(partitions []int32, paused bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.run != nil {
		s.run.pause(partitions, paused)
	}
}

// unassign is called with the lock.
func (s *TrackedSource[T]) unassign(partitions []int32) []topics.Partition {
	ps := make([]topics.Partition, len(partitions))
	for i, p := range partitions {
		s.logs[p].assigned = false
		ps[i] = trackedPartition(p)
	}
	return ps
}

// Abort stops the run hard, as an aborted transaction does, with [ErrAborted]; nothing is
// committed. It does not wait. See [TrackedSource.Run].
func (s *TrackedSource[T]) Abort() {
	if run := s.running(); run != nil {
		run.abort()
	}
}

// Run runs a graph of the source, again and again while it is aborted: each run goes on from what
// was committed.
func (s *TrackedSource[T]) Run(ctx context.Context, g stream.Graph, opts ...stream.RunOption) error {
	for {
		if err := g.Run(ctx, opts...); !errors.Is(err, ErrAborted) {
			return err
		}
	}
}

// Checkpoint ends a transaction: nothing more enters it ([Entering]), and when everything of which
// something has entered is finished, what is finished without a gap is committed; all else goes on
// meanwhile. Should something have been given up, the run is aborted and ErrAborted returned. Where
// it did not come to that, because ctx ended or the run did, nothing is committed, and it says so.
// Of a source that is not [Transactional] it hurries the stream and waits until nothing is
// outstanding.
func (s *TrackedSource[T]) Checkpoint(ctx context.Context) error {
	run := s.running()
	if run == nil {
		return ErrNoRun
	}
	return run.checkpoint(ctx)
}

// Committed is the committed offset of a partition: that of the record after the last finished one
// without a gap; 0 at first. It commits what is finished at this moment, so what it returns is the
// truth of now.
func (s *TrackedSource[T]) Committed(partition int32) int64 {
	if run := s.running(); run != nil && !s.opts.transactional {
		run.collect()
		s.mu.Lock()
		run.committable(s.commit)
		s.mu.Unlock()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.logs[partition].committed
}

// Outstanding is the number of records of a partition that were fetched and are neither finished
// nor given up; 0 where it is not assigned in a run.
func (s *TrackedSource[T]) Outstanding(partition int32) int {
	run := s.running()
	if run == nil {
		return 0
	}
	run.collect()
	return run.outstanding(partition)
}

// Oldest tells the offset of the first record of a partition that was fetched and is not finished,
// and since when.
func (s *TrackedSource[T]) Oldest(partition int32) (offset int64, age time.Duration, ok bool) {
	run := s.running()
	if run == nil {
		return 0, 0, false
	}
	run.collect()
	return run.oldest(partition)
}

func (s *TrackedSource[T]) running() session {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.run
}

func (s *TrackedSource[T]) poke() {
	if run := s.running(); run != nil {
		run.poke()
	}
}

// commit moves a committed offset; the caller holds the lock.
func (s *TrackedSource[T]) commit(partition int32, m tracker.Mark) {
	log := &s.logs[partition]
	if m.Offset <= log.committed {
		return
	}
	log.committed = m.Offset
	if s.onCommit != nil {
		s.onCommit(partition, m.Offset)
	}
}

func (s *TrackedSource[T]) commitEnd(e feed.End) {
	if e.Committable && !s.opts.transactional {
		s.commit(e.Partition.Partition, e.Mark)
	}
}

const trackedTopic = "tracked"

func trackedPartition(p int32) topics.Partition {
	return topics.Partition{Topic: trackedTopic, Partition: p}
}

// trackedLog is a partition.
type trackedLog[T any] struct {
	values    []T
	offsets   []int64 // nil while they are the indexes
	next      int64
	committed int64
	assigned  bool
}

func (l *trackedLog[T]) append(values []T) {
	l.values = append(l.values, values...)
	if l.offsets != nil {
		for i := range values {
			l.offsets = append(l.offsets, l.next+int64(i))
		}
	}
	l.next += int64(len(values))
}

func (l *trackedLog[T]) skip(n int64) {
	if l.offsets == nil {
		l.offsets = make([]int64, len(l.values), len(l.values)+1)
		for i := range l.offsets {
			l.offsets[i] = int64(i)
		}
	}
	l.next += n
}

// index is that of the first record whose offset is not below the given one.
func (l *trackedLog[T]) index(offset int64) int {
	if l.offsets == nil {
		return int(offset)
	}
	i, _ := slices.BinarySearch(l.offsets, offset)
	return i
}
