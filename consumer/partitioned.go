package consumer

import (
	"context"
	"sync"
	"time"

	"github.com/vicuna-go/vicuna/internal/blueprint"
	"github.com/vicuna-go/vicuna/internal/core"
	"github.com/vicuna-go/vicuna/internal/tracker"
	"github.com/vicuna-go/vicuna/stream"
)

// PlainPartitionedSource gives a sub-stream for each partition that is assigned, to be run with
// [stream.Each]: its records, in order. The sub-stream completes when the partition is taken away,
// behind what was in flight. One that ends by itself while the partition stays (Take, a failure
// that Each skips) is followed by another, which goes on with the first record that was not
// finished: at once where it has finished anything, else after a pause that grows from 100 ms to 10
// s. A partition is fetched once its sub-stream runs: with fewer children at a time than partitions
// (the n of Each) the others are not read until one is taken away. A graph that joins a sub-stream
// with a source of its own goes on after the partition until that has completed, too.
//
//   - Emits when: a partition was assigned, or its sub-stream has ended too early.
//   - Back-pressures when: it is told to, and each sub-stream by itself: a slow one holds up no
//     other.
//   - Completes when: with [ToEnd], at the end; else never.
//   - Fails when: as PlainSource.
//   - Order: that of the partition, in each sub-stream.
//   - Goroutines: one for what follows and one for each sub-stream, three beside them, and the
//     client's.
func (c *Consumer[K, V]) PlainPartitionedSource() stream.Source[stream.Sub[TopicPartition, *Record[K, V]]] {
	return partitioned(c, plainShape[K, V]("plainPartitionedSource"))
}

// CommittablePartitionedSource is [Consumer.PlainPartitionedSource] with the records' offsets; see
// [Consumer.CommittableSource]. The Committer, or committable sink, stands in the graph of each
// sub-stream; the first that has none ends the run, also where Each skips failures.
//
//   - Emits when: a partition was assigned, or its sub-stream has ended too early.
//   - Back-pressures when: as PlainPartitionedSource.
//   - Completes when: with [ToEnd], at the end; else never.
//   - Fails when: as CommittableSource.
//   - Order: that of the partition, in each sub-stream.
//   - Goroutines: as PlainPartitionedSource, and one that commits.
func (c *Consumer[K, V]) CommittablePartitionedSource() stream.Source[stream.Sub[TopicPartition, *CommittableMessage[K, V]]] {
	return partitioned(c, committableShape[K, V]("committablePartitionedSource", nil))
}

// CommitWithMetadataPartitionedSource is [Consumer.CommittablePartitionedSource] with the metadata
// of [Consumer.CommitWithMetadataSource].
//
//   - Emits when: a partition was assigned, or its sub-stream has ended too early.
//   - Back-pressures when: as PlainPartitionedSource.
//   - Completes when: with [ToEnd], at the end; else never.
//   - Fails when: as CommitWithMetadataSource.
//   - Order: that of the partition, in each sub-stream.
//   - Goroutines: as CommittablePartitionedSource.
func (c *Consumer[K, V]) CommitWithMetadataPartitionedSource(f func(*Record[K, V]) (string, error)) stream.Source[stream.Sub[TopicPartition, *CommittableMessage[K, V]]] {
	return partitioned(c, committableShape("commitWithMetadataPartitionedSource", f))
}

func partitioned[K, V, T any](c *Consumer[K, V], sh shape[K, V, T]) stream.Source[stream.Sub[TopicPartition, T]] {
	return stream.Source[stream.Sub[TopicPartition, T]](blueprint.NewSource(func(b *core.Builder, next func(core.At) core.Stage[stream.Sub[TopicPartition, T]]) {
		name := b.Name(sh.kind)
		isl := b.Run.NewIsland()
		st := next(core.At{Island: isl})
		s := newSession(b, c, sh, name)
		if s == nil {
			return
		}
		isl.AddSource(name)
		s.outer = &outer[K, V, T]{s: s, isl: isl}
		done := st.Done
		st.Done = func() {
			done() // an Each on the same island waits here for its children
			s.outer.pass()
		}
		core.Drive[stream.Sub[TopicPartition, T]](isl, s.outer, st)
	}))
}

// outer is the intake of the stream of sub-streams.
type outer[K, V, T any] struct {
	s   *session[K, V, T]
	isl *core.Island

	mu        sync.Mutex
	queue     []stream.Sub[TopicPartition, T]
	completed bool
	cancelled bool
	passed    bool // the island has ended
	open      int  // sub-streams that the island has got and that have not ended
}

// add makes sub-streams of partitions. One that has a sub-stream which has not ended gets no
// second: a loader whose answer came too late for the client is asked again, and both answers let
// the sub-stream begin.
func (o *outer[K, V, T]) add(ps []TopicPartition) {
	var subs []stream.Sub[TopicPartition, T]
	o.s.mu.Lock()
	for _, p := range ps {
		if pt := o.s.parts[p.feed()]; pt != nil && !pt.revoking && !pt.streams {
			pt.streams, pt.givenOut, pt.toldWaiting = true, time.Now(), false
			subs = append(subs, stream.Sub[TopicPartition, T]{Key: p, Source: o.s.sub(pt)})
		}
	}
	o.s.mu.Unlock()
	o.mu.Lock()
	if !o.completed && !o.cancelled {
		o.queue = append(o.queue, subs...)
	}
	o.mu.Unlock()
	o.isl.Wake()
}

// complete says that there will be no more.
func (o *outer[K, V, T]) complete() {
	o.mu.Lock()
	o.completed = true
	o.mu.Unlock()
	o.isl.Wake()
}

// Next implements core.Intake.
func (o *outer[K, V, T]) Next() (core.Chunk[stream.Sub[TopicPartition, T]], core.Status) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case len(o.queue) > 0:
		return core.Chunk[stream.Sub[TopicPartition, T]]{Vals: o.queue[:1:1]}, core.Ready
	case o.completed:
		return core.Chunk[stream.Sub[TopicPartition, T]]{}, core.Complete
	}
	return core.Chunk[stream.Sub[TopicPartition, T]]{}, core.Empty
}

// Taken implements core.Intake.
func (o *outer[K, V, T]) Taken(n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.queue = o.queue[n:]
	o.open += n
}

// pass says that the island has ended: no further sub-stream goes on from it.
func (o *outer[K, V, T]) pass() {
	o.mu.Lock()
	o.passed = true
	o.mu.Unlock()
	o.s.bell.Ring()
}

// close counts a sub-stream that has ended.
func (o *outer[K, V, T]) close() {
	o.mu.Lock()
	o.open--
	o.mu.Unlock()
	o.s.bell.Ring()
}

// over reports whether there will be no more sub-streams, and every one that there was has ended.
// One that was taken and never run (filtered out) may still be run, and keeps it from being over.
func (o *outer[K, V, T]) over() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.passed && o.open == 0
}

// Ready implements core.Intake.
func (o *outer[K, V, T]) Ready() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.queue) > 0 || o.completed
}

// Cancel implements core.Intake.
func (o *outer[K, V, T]) Cancel() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.cancelled, o.queue = true, nil
}

// More implements core.Beginning.
func (o *outer[K, V, T]) More() bool { return o.s.more() }

// sub is the source of a partition's sub-stream, which runs once.
func (s *session[K, V, T]) sub(pt *part) stream.Source[T] {
	return stream.Source[T](blueprint.Live(s.run, blueprint.NewSource(func(b *core.Builder, next func(core.At) core.Stage[T]) {
		name := b.Name(s.name + " " + pt.String())
		s.shape.needsCommitter(b, s.cfg, s.c.opts, name)
		isl := b.Run.NewIsland()
		st := next(core.At{Island: isl})
		l := s.newLane(isl, isl.AddSource(name))
		core.Drive[T](isl, s.arriving(l), s.checked(l, st))
		b.Run.OnStart(func() { s.attach(pt, l) })
		b.Run.OnLast(func(ctx context.Context) error {
			s.detach(ctx, pt, l)
			s.outer.close()
			return nil
		})
	})))
}

// attach lets a partition's records go to a sub-stream that has begun.
func (s *session[K, V, T]) attach(pt *part, l *lane) {
	s.mu.Lock()
	if s.ending || pt.revoking || s.parts[pt.feed()] != pt {
		s.mu.Unlock()
		l.feed.Complete() // it was taken away meanwhile
		return
	}
	start := tracker.Mark{}
	if pt.marked {
		start = pt.mark
	}
	a, err := l.feed.Assign(pt.feed(), start)
	if err != nil {
		s.mu.Unlock()
		s.run.Fail(err)
		return
	}
	waited := pt.toldWaiting
	pt.lane, pt.assignment, pt.held = l, a, false
	delete(s.held, pt.feed())
	a.Pause(pt.userPaused)
	if !pt.userPaused {
		s.cl.ResumeFetchPartitions(topicsOf([]TopicPartition{pt.TopicPartition}))
	}
	s.mu.Unlock()
	if waited {
		s.log.Info("vicuna: a partition is read now that has waited for its sub-stream", "partition", pt.String())
	}
	s.bell.Ring() // the client may have to go back
}

// detach is the end of a sub-stream. Where the partition stays, another one follows, from the first
// record that was not finished.
func (s *session[K, V, T]) detach(ctx context.Context, pt *part, l *lane) {
	l.feed.Await(ctx)
	// In turn: a revoke finds the partition with its lane, or with what that has left.
	turn := false
	select {
	case s.commit.turn <- struct{}{}:
		turn = true
	case <-ctx.Done():
		// a commit waits for brokers that say nothing; a revoke that comes now commits less than it
		// could
	}
	ends := l.feed.Finish(ctx)
	s.warnNotFinished(ends)
	l.rest()
	s.mu.Lock()
	pt.streams = false
	delete(s.outlived, l)
	if pt.lane != l {
		s.mu.Unlock()
		if turn {
			<-s.commit.turn
		}
		return
	}
	// a revoke has ended it, and commits it
	pt.endsElsewhere = pt.assignment != nil && len(ends) == 0
	pt.lane, pt.assignment = nil, nil
	progress := false
	for _, e := range ends {
		if e.Committable {
			progress = !pt.marked || e.Mark.Offset > pt.mark.Offset
			pt.mark, pt.marked = e.Mark, true
		}
		if e.Undone >= 0 {
			pt.next, pt.missed = e.Undone, true
		}
	}
	if turn {
		<-s.commit.turn
	}
	again := !pt.revoking && !s.ending && s.parts[pt.feed()] == pt && !s.run.Draining() && !s.run.Stopped()
	if s.ends.passed(pt.TopicPartition, pt.next) && !pt.missed {
		again = false // it was read to its end
	}
	if again {
		s.cl.PauseFetchPartitions(topicsOf([]TopicPartition{pt.TopicPartition}))
	}
	pause := pt.pauseBefore(progress)
	s.mu.Unlock()
	switch {
	case again && pause == 0:
		s.addAgain(pt)
	case again:
		time.AfterFunc(pause, func() { s.addAgain(pt) })
	}
	s.bell.Ring()
}

// wanted reports whether sub-streams are still taken.
func (o *outer[K, V, T]) wanted() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return !o.completed && !o.cancelled
}

// addAgain makes another sub-stream of a partition, unless that has gone since.
func (s *session[K, V, T]) addAgain(pt *part) {
	s.mu.Lock()
	there := !s.ending && s.parts[pt.feed()] == pt
	s.mu.Unlock()
	if there {
		s.outer.add([]TopicPartition{pt.TopicPartition})
	}
}

// completeSub ends the sub-stream of a partition that was taken away.
func (s *session[K, V, T]) completeSub(pt *part) {
	if s.lane != nil {
		return
	}
	s.mu.Lock()
	l := pt.lane
	if l != nil {
		if s.outlived == nil {
			s.outlived = map[*lane]outlived{}
		}
		s.outlived[l] = outlived{TopicPartition: pt.TopicPartition, since: time.Now()}
	}
	s.mu.Unlock()
	if l != nil {
		l.feed.Complete()
	}
}
