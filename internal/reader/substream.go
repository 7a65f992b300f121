package reader

import (
	"context"
	"time"

	"github.com/vicuna-go/vicuna/internal/core"
	"github.com/vicuna-go/vicuna/internal/feed"
	"github.com/vicuna-go/vicuna/internal/partitions"
	"github.com/vicuna-go/vicuna/internal/topics"
	"github.com/vicuna-go/vicuna/internal/tracker"
)

// substreams gives each partition a way of its own, as long as the run lasts.
type substreams struct {
	*Session
	// Under the session's lock.
	outlived map[*lane]*outlived // sub-streams whose partitions are gone
	paced    map[*part]time.Time // partitions that get another sub-stream, and when
}

// Partition is the one that the sub-stream is of.
func (sub *Sub) Partition() topics.Partition { return sub.part.Partition }

// Run is the run of the handle around it.
func (sub *Sub) Run() *core.Run { return sub.s.run }

// Name is the stage name of its source.
func (sub *Sub) Name() string { return sub.s.name + " " + sub.part.String() }

// Build takes part in the building of the sub-stream's graph, with the way to its island: records
// come when it runs, and at its end another sub-stream may follow.
func (sub *Sub) Build(b *core.Builder, l *Lane) {
	b.Run.OnStart(func() { sub.s.substreams.attach(sub.part, l) })
	b.Run.OnLast(func(ctx context.Context) error {
		sub.s.substreams.detach(ctx, sub.part, l, b.Err())
		sub.s.handout.close()
		return nil
	})
}

// attach lets a partition's records go to a sub-stream that has begun.
func (s *substreams) attach(p *part, l *lane) {
	attached, waited := false, false
	var err error
	s.decide(func() {
		start := tracker.Mark{}
		if p.Flow.marked {
			start = p.Flow.mark
		}
		attached, err = s.connect(p, l, start)
		waited = p.Flow.toldWaiting
	})
	switch {
	case err != nil:
		s.run.Fail(err)
		return
	case !attached:
		l.feed.Complete() // it was taken away meanwhile
		return
	}
	if took, was := s.outages.Over(unbuilt(p.Partition)); was {
		s.log.Info("vicuna: the graph of a partition's sub-stream could be built again", "topic", p.Topic, "partition", p.Partition.Partition, "after", took)
	}
	if waited {
		s.log.Info("vicuna: a partition that has waited for its sub-stream is read now", "topic", p.Topic, "partition", p.Partition.Partition)
	}
	s.bell.Ring() // the client may have to go back
}

// unbuilt is the outage of a partition whose sub-stream's graph cannot be built.
func unbuilt(p topics.Partition) string { return "build " + p.String() }

// beginsUnbuilt reports whether that is to be told of a partition that is there.
func (s *substreams) beginsUnbuilt(p *part) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.parts.Attachable(p) && s.outages.Begins(unbuilt(p.Partition))
}

// detach is the end of a sub-stream, also of one whose graph could not be built, and which nobody
// has let begin. Where the partition stays, another one follows, from the first record that was not
// finished.
func (s *substreams) detach(ctx context.Context, p *part, l *lane, notBuilt error) {
	if notBuilt != nil && s.beginsUnbuilt(p) {
		s.log.Warn("vicuna: the graph of a partition's sub-stream cannot be built: where that does not end the run the partition is not read, and the graph is built again after a pause, until it can be",
			"topic", p.Topic, "partition", p.Partition.Partition, "error", notBuilt)
	}
	l.feed.Await(ctx)
	// In a turn: a revoke finds the partition with its lane, or with what that has left. Where the
	// turn does not come in time a commit waits for brokers that say nothing; a revoke that comes
	// now commits less than it could.
	release, _ := s.door.Acquire(ctx)
	ends := l.feed.Finish(ctx)
	s.watcher.warnNotFinished(ends)
	l.rest()
	s.decide(func() {
		s.parts.Closed(p)
		delete(s.outlived, l)
		switch laneOf(p) {
		case l:
			how := s.leftBy(p, ends)
			p.Flow.assignment = nil
			s.parts.Detach(p, how)
		case nil: // it has never begun
			s.parts.Detach(p, partitions.Ended{Undone: -1, Over: s.ending()})
		}
		release()
	})
	s.bell.Ring()
}

// leftBy notes what a sub-stream has left of its partition; the caller holds the lock.
func (s *substreams) leftBy(p *part, ends []feed.End) partitions.Ended {
	f := p.Flow
	how := partitions.Ended{Undone: -1, Over: s.ending()}
	// a revoke has ended it, and commits it
	f.endedElsewhere = f.assignment != nil && len(ends) == 0
	for _, e := range ends {
		if e.Committable {
			how.Progress = !f.marked || e.Mark.Offset > f.mark.Offset
			f.mark, f.marked = e.Mark, true
		}
		if e.Undone >= 0 {
			how.Undone = e.Undone
		}
	}
	return how
}

// ending reports whether the run around the sub-streams ends.
func (s *substreams) ending() bool { return s.run.Draining() || s.run.Stopped() }

// completeSub ends the sub-stream of a partition that was taken away.
func (s *substreams) completeSub(p *part) {
	if s.lane != nil {
		return
	}
	s.mu.Lock()
	l := laneOf(p)
	if l != nil {
		s.outlived[l] = &outlived{Partition: p.Partition, since: time.Now()}
	}
	s.mu.Unlock()
	if l != nil {
		l.feed.Complete()
	}
}

// What is told of sub-streams that do not come and go as they should. Both are the graph's doing,
// and nothing of the consumer's looks wrong while they last.

// outlived is a sub-stream whose partition is gone and whose graph has not ended.
type outlived struct {
	topics.Partition
	since time.Time
	told  bool
}

// watchSubStreams tells once of partitions that nobody reads because their sub-streams do not
// begin, and of sub-streams whose graphs do not end though their partitions are gone.
func (s *watcher) watchSubStreams(after time.Duration) {
	if s.handout == nil {
		return
	}
	var waiting, lasting []topics.Partition
	now, wanted := time.Now(), s.handout.wanted()
	s.mu.Lock()
	for _, p := range s.parts.All() {
		// A bounded run's sub-streams end: there the others only wait until one has.
		if wanted && !s.o.ToEnd && p.Unrun() && !p.Flow.toldWaiting && now.Sub(p.Flow.givenOut) >= after {
			p.Flow.toldWaiting = true
			waiting = append(waiting, p.Partition)
		}
	}
	for _, o := range s.substreams.outlived {
		if !o.told && now.Sub(o.since) >= after {
			o.told = true
			lasting = append(lasting, o.Partition)
		}
	}
	s.mu.Unlock()
	if len(waiting) > 0 {
		topics.Sort(waiting)
		s.log.Warn("vicuna: partitions are assigned and nobody reads them: their sub-streams wait for one of those that stream.Each runs to end, which they do only when their partitions are taken away, or their graphs leave the source out; "+
			"let Each run as many at a time as partitions can be assigned (0 is all)", "partitions", topics.Summary(waiting), "for", after)
	}
	if len(lasting) > 0 {
		topics.Sort(lasting)
		s.log.Warn("vicuna: partitions are gone, and the graphs of their sub-streams have not ended: complete the other sources in those graphs, too",
			"partitions", topics.Summary(lasting), "for", after)
	}
}
