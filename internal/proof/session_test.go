package proof_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/internal/blueprint"
	"github.com/vicuna-go/vicuna/internal/core"
	"github.com/vicuna-go/vicuna/internal/feed"
	"github.com/vicuna-go/vicuna/internal/topics"
	"github.com/vicuna-go/vicuna/internal/tracker"
	"github.com/vicuna-go/vicuna/stream"
)

// session stands in for package transactional: what one poll brings, some hundreds of records, is
// one transaction.
//
// The user's graph runs as a child of the session's run. It goes on from one committed transaction
// to the next, which only waits until nothing is on its way; a transaction that cannot be committed
// ends it hard, and the next one runs the blueprint again. The session's client commits the offsets
// of everything that was polled, so everything that was polled has to be finished, not the
// contiguous part alone. Rebalances wait for the end of a transaction.
type session struct {
	opts   []kgo.Opt
	broken bool // a transaction is committed while its records are on their way
	graph  func(*session) stream.Graph

	run *core.Run
	gts *kgo.GroupTransactSession

	// The session's goroutine's.
	child       *core.Run
	feed        *feed.Feed[*kgo.Record]
	assignments map[topics.Partition]*feed.Assignment[*kgo.Record]
	failures    int // in a row

	commits, aborts atomic.Int64
}

var (
	errAborted = errors.New("the transaction was aborted")
	errForeign = errors.New("the session's source stands in a graph of another run")
)

// maxFailures is how often in a row a transaction may fail before the session does.
const maxFailures = 5

// blueprint is what transactional's Run will run.
func (s *session) blueprint() stream.Graph {
	return stream.Graph(blueprint.NewGraph(func(b *core.Builder) {
		s.run = b.Run
		b.Run.OnStart(func() {
			gts, err := kgo.NewGroupTransactSession(append(s.opts, kgo.BlockRebalanceOnPoll(), kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.ProducerLinger(0))...)
			if err != nil {
				b.Run.Fail(err)
				return
			}
			s.gts = gts
			b.Run.OnEnd(func(context.Context) error {
				gts.CloseAllowingRebalance()
				return nil
			})
			b.Run.Go("session", s.loop)
		})
	}))
}

func (s *session) loop() {
	defer s.end()
	for {
		// Before Begin: an End without anything polled would cost half a second.
		fetches := s.gts.PollRecords(s.run.SourceContext(), 400)
		if s.run.Draining() || s.run.Stopped() {
			s.run.Cut()
			s.gts.AllowRebalance()
			return
		}
		fetches.EachError(func(_ string, _ int32, err error) { s.run.Fail(err) })
		if fetches.NumRecords() > 0 {
			if err := s.transaction(fetches); err != nil {
				s.run.Fail(err)
				return
			}
		}
		s.gts.AllowRebalance()
	}
}

// transaction copies what was polled and commits it, or aborts: then it will be polled again.
func (s *session) transaction(fetches kgo.Fetches) error {
	if s.child == nil {
		if err := s.begin(); err != nil {
			return err
		}
	}
	if err := s.gts.Begin(); err != nil {
		return err
	}
	delivered := true
	fetches.EachPartition(func(p kgo.FetchTopicPartition) { delivered = s.deliver(p) && delivered })
	whole := delivered && s.settle()
	if !whole {
		s.abandon()
	}
	committed, err := s.gts.End(s.gts.Client().Context(), kgo.TransactionEndTry(whole))
	switch {
	case err != nil:
		return err
	case committed:
		s.commits.Add(1)
		s.failures = 0
		return nil
	}
	s.aborts.Add(1)
	fault := s.abandon()
	if s.failures++; s.failures > maxFailures {
		return fmt.Errorf("%d transactions in a row were aborted: %w", s.failures, fault)
	}
	return nil
}

// settle waits until everything that was delivered is finished; false where something was given up,
// or the run has ended.
func (s *session) settle() bool {
	if s.broken {
		return true
	}
	if !s.feed.Quiesce(s.run.Context()) {
		return false
	}
	whole := !s.child.Stopped()
	s.feed.Each(func(a *feed.Assignment[*kgo.Record]) {
		_, _, undone := a.Oldest()
		whole = whole && a.Outstanding() == 0 && !undone
	})
	return whole
}

func (s *session) deliver(p kgo.FetchTopicPartition) bool {
	if len(p.Records) == 0 {
		return true
	}
	at := topics.Partition{Topic: p.Topic, Partition: p.Partition}
	a := s.assignments[at]
	if a == nil {
		var err error
		if a, err = s.feed.Assign(at, tracker.Mark{}); err != nil {
			s.run.Fail(err)
			return false
		}
		s.assignments[at] = a
	}
	return a.Deliver(feed.Delivery[*kgo.Record]{Vals: p.Records, Offsets: offsetsOf(p.Records)})
}

// offsetsOf tells where records lie.
func offsetsOf(recs []*kgo.Record) feed.Offsets {
	return feed.Offsets{At: func(i int) (int64, int32) { return recs[i].Offset, recs[i].LeaderEpoch }}
}

// begin starts a run of the blueprint.
func (s *session) begin() error {
	child := s.run.Child()
	s.child, s.assignments = child, map[topics.Partition]*feed.Assignment[*kgo.Record]{}
	if err := blueprint.Graph(s.graph(s)).Into(child); err != nil {
		s.run.Leave(child)
		s.child = nil
		return err
	}
	s.run.Go("run of a session", func() {
		_ = child.Supervise(context.WithoutCancel(s.run.Context()))
		s.run.Leave(child)
	})
	return nil
}

// abandon ends the run of the blueprint hard and waits for its end; it returns its fault.
func (s *session) abandon() error {
	if s.child == nil {
		return nil
	}
	s.child.Stop(errAborted)
	<-s.child.DoneC()
	err := s.child.Err()
	s.child = nil
	return err
}

// end lets the run complete, after the last transaction.
func (s *session) end() {
	if s.child == nil {
		return
	}
	s.feed.Complete()
	<-s.child.DoneC()
}

// source is the session's, in its runs alone.
func (s *session) source() stream.Source[*kgo.Record] {
	return stream.Source[*kgo.Record](blueprint.NewSource(func(b *core.Builder, next func(core.At) core.Stage[*kgo.Record]) {
		if b.Run != s.child {
			b.Fail(errForeign)
			return
		}
		isl := b.Run.NewIsland()
		st := next(core.At{Island: isl})
		isl.AddSource(b.Name("session"))
		s.feed = feed.New[*kgo.Record](isl, feed.Options{Plain: true})
		core.Drive(isl, core.Intake[*kgo.Record](wholeTransactions{s.feed.Intake()}), st)
		f := s.feed
		b.Run.OnEnd(func(ctx context.Context) error {
			f.Finish(ctx)
			return nil
		})
	}))
}

// wholeTransactions hides that the intake can be stopped by a drain between two elements: the
// session completes it after a transaction instead.
type wholeTransactions struct{ core.Intake[*kgo.Record] }

// sink writes in the session's transaction. (producer.PlainSink refuses transactional clients, and
// rightly.)
func (s *session) sink() stream.Sink[*kgo.Record] {
	return stream.Sink[*kgo.Record](blueprint.NewSink(func(b *core.Builder, at core.At) core.Stage[*kgo.Record] {
		isl, run := at.Island, b.Run
		info, finisher := isl.AddStage(b.Name("sessionSink")), run.NewFinisher()
		var sent, landed atomic.Int64
		return core.Stage[*kgo.Record]{Push: func(rec *kgo.Record) {
			isl.In(info)
			t := isl.Out()
			sent.Add(1)
			s.gts.Produce(s.gts.Client().Context(), rec, func(_ *kgo.Record, err error) {
				if err == nil {
					finisher.Done(t)
				} else {
					if !run.Stopped() {
						run.FailAt(info, t, err)
					}
					finisher.Abandon(t)
				}
				landed.Add(1)
				isl.Wake()
			})
		}, Done: func() {
			isl.Await(func() bool { return landed.Load() == sent.Load() })
		}, Link: &core.Link{}}
	}))
}
