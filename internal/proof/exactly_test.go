package proof_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/stream"
)

var (
	errMiddle  = errors.New("the user's function has failed")
	errAborted = errors.New("the transaction was aborted")
	errForeign = errors.New("the session's source stands in a graph of another run")
)

// session makes a session that copies. Its Batch waits for longer than the test lasts, unless it is
// hurried.
func (w *world) session(id string, call func(context.Context, piece) (*envelope.Record[string, string], error)) *session {
	return &session{
		opts: w.consumer(kgo.TransactionalID(id)),
		graph: func(s *session) stream.Graph {
			split := stream.FlatMap(s.source(), func(rec *kgo.Record) iter.Seq[piece] { return pieces(rec) })
			batches := stream.Batch(split.Filter(wanted), 1000, time.Hour)
			again := stream.FlatMap(batches, func(ps []piece) iter.Seq[piece] { return slices.Values(ps) })
			return stream.Map(stream.MapAsyncUnordered(again, 16, call), func(rec *envelope.Record[string, string]) *kgo.Record {
				return &kgo.Record{Topic: rec.Topic, Value: []byte(rec.Value)}
			}).To(s.sink())
		},
	}
}

// failsInTheMiddle fails once.
func (w *world) failsInTheMiddle(ctx context.Context, p piece) (*envelope.Record[string, string], error) {
	rec, err := w.unevenly(ctx, p)
	select {
	case <-w.middle:
		if !w.failed.Swap(true) {
			return nil, errMiddle
		}
	default:
	}
	return rec, err
}

func (w *world) run(sessions ...*session) (f finding) {
	ctls := make([]*stream.Control, len(sessions))
	for i, s := range sessions {
		if i > 0 {
			w.await("the middle", w.middle)
		}
		ctl, err := s.blueprint().Start(w.t.Context())
		require.NoError(w.t, err)
		ctls[i] = ctl
	}
	w.watch(&f, quiet)
	for i, s := range sessions {
		if s.broken != sound { // what it has sent between two transactions may wait for ever
			ctls[i].Stop()
			<-ctls[i].Done()
			continue
		}
		w.drain(ctls[i])
	}
	w.watch(&f, 0)
	for i, s := range sessions {
		w.t.Logf("session %d: %d transactions committed, %d aborted", i, s.commits.Load(), s.aborts.Load())
	}
	w.t.Log(f)
	return f
}

// A function of the user's fails in the middle of a transaction: it is aborted, with records that
// were written, and everything comes again.
func abortedAndCommitted(t *testing.T, k *kafkatest.Broker) {
	w := newWorld(t, k, perPartition)
	s := w.session("one", w.failsInTheMiddle)
	f := w.run(s)
	require.Zero(t, f.early, f)
	require.Zero(t, f.lost, f)
	require.Zero(t, f.doubled, f)
	require.True(t, w.whole(f.committed), f)
	require.EqualValues(t, 1, s.aborts.Load())
	require.Greater(t, s.commits.Load(), int64(1))
	all, visible := len(kafkatest.ReadAllUncommitted(t, k, out)), len(kafkatest.ReadAll(t, k, out))
	require.Greater(t, all, visible, "nothing was written in the aborted transaction")
	t.Logf("%d records in the topic, %d of them committed", all, visible)
}

// A second session joins while transactions follow each other, one of which fails besides.
func exactlyOnceRebalance(t *testing.T, k *kafkatest.Broker) {
	w := newWorld(t, k, perPartition)
	first, second := w.session("one", w.failsInTheMiddle), w.session("two", w.unevenly)
	f := w.run(first, second)
	require.Zero(t, f.early, f)
	require.Zero(t, f.lost, f)
	require.Zero(t, f.doubled, f)
	require.True(t, w.whole(f.committed), f)
	require.NotZero(t, second.commits.Load())
}
