package proof_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/stream"
)

const (
	out        = "out"
	partitions = 4
	// perPartition is the number of records in each partition: enough that a rebalance falls into
	// the middle.
	perPartition = 2000
)

var errMiddle = errors.New("the user's function has failed")

// world is a topic with numbered records, what a copy has to make of them, and what it has made.
type world struct {
	*grouptest.World
	t *testing.T

	// The copies wait here for the middle: so many calls of their functions.
	calls  atomic.Int64
	middle chan struct{}
	failed atomic.Bool
}

func inWorld(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	grouptest.Run(t, partitions, func(t *testing.T, group *grouptest.World) {
		w := &world{World: group, t: t, middle: make(chan struct{})}
		for p := range int32(partitions) {
			w.Write(p, 0, perPartition)
		}
		test(t, w)
	}, grouptest.Broker(kafkatest.Topics(partitions, out)))
}

// piece is what a record is split into.
type piece struct {
	partition int32
	number    int64
	copy      int
}

func (p piece) String() string {
	return grouptest.Value(p.partition, p.number, strconv.Itoa(p.copy))
}

// pieces is what the copies' FlatMap makes of a record: none to three.
func pieces(rec *kgo.Record) iter.Seq[piece] {
	return func(yield func(piece) bool) {
		for i := range int(rec.Offset % 4) {
			if !yield(piece{rec.Partition, rec.Offset, i}) {
				return
			}
		}
	}
}

// wanted is the copies' Filter.
func wanted(p piece) bool { return (p.number+int64(p.copy))%5 != 0 }

// parts are the pieces of a record that have to be in the output.
func parts(p int32, number int64) (all []string) {
	for piece := range pieces(&kgo.Record{Partition: p, Offset: number}) {
		if wanted(piece) {
			all = append(all, strconv.Itoa(piece.copy))
		}
	}
	return all
}

type function = func(context.Context, piece) (*kgo.Record, error)

// unevenly is what the copies' MapAsync calls: it takes from no time to some milliseconds, so that
// results overtake each other.
func (w *world) unevenly(ctx context.Context, p piece) (*kgo.Record, error) {
	if w.calls.Add(1) == perPartition { // some hundreds of records of each partition
		close(w.middle)
	}
	if takes := time.Duration(rand.IntN(8)) * 250 * time.Microsecond; takes > 0 {
		if err := grouptest.Idle(ctx, takes); err != nil {
			return nil, err
		}
	}
	return &kgo.Record{Topic: out, Value: []byte(p.String())}, nil
}

// failsInTheMiddle fails once.
func (w *world) failsInTheMiddle(ctx context.Context, p piece) (*kgo.Record, error) {
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

// session makes a session that copies, reading in small portions, so that partitions mix. Its Batch
// waits for longer than the test lasts, unless it is hurried.
func (w *world) session(id string, call function) *session {
	return &session{
		opts: append(w.ClientOptions(), kgo.TransactionalID(id),
			kgo.ConsumerGroup(w.Group), kgo.ConsumeTopics(w.Topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
			kgo.HeartbeatInterval(100*time.Millisecond), kgo.SessionTimeout(time.Second), kgo.FetchMaxWait(100*time.Millisecond),
			kgo.FetchMaxPartitionBytes(1<<10)),
		graph: func(s *session) stream.Graph {
			split := stream.FlatMap(s.source(), pieces)
			batches := stream.Batch(split.Filter(wanted), 1000, time.Hour)
			again := stream.FlatMap(batches, func(ps []piece) iter.Seq[piece] { return slices.Values(ps) })
			return stream.MapAsyncUnordered(again, 16, call).To(s.sink())
		},
	}
}

// finding is what a look at the topics shows.
type finding struct {
	verdict grouptest.Verdict // of what is committed
	// early is how many pieces were missing, at some look, though their record's offset was
	// committed.
	early     int
	committed map[int32]int64
	whole     bool // every record's offset is committed
}

func (f finding) String() string {
	return fmt.Sprintf("%v; looks found %d committed early, everything is committed: %v", f.verdict, f.early, f.whole)
}

// requireExact wants everything once, and committed when it was there.
func (f finding) requireExact(t *testing.T) {
	t.Helper()
	f.verdict.RequireOnce(t)
	require.Zero(t, f.early, f)
	require.True(t, f.whole, f)
}

// quiet is how long nothing may change before a copy counts as being at rest: longer than a dead
// member's session.
const quiet = 3 * time.Second

// watch looks at the topics again and again until everything is copied and committed, or nothing
// changes any more for so long.
func (w *world) watch(f *finding, quiet time.Duration) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var before string
	changed := time.Now()
	for {
		w.look(f)
		if f.verdict.Lost == 0 && f.whole {
			return
		}
		if now := fmt.Sprint(f.committed, f.verdict.Lost, f.verdict.Doubled); now != before {
			before, changed = now, time.Now()
		}
		if time.Since(changed) > quiet {
			return
		}
		<-tick.C
	}
}

// look counts what is there now. Committed offsets are read first: what they cover has to be there
// already. It need not be visible: of two sessions, one's committed records may stand after the
// other's open transaction.
func (w *world) look(f *finding) {
	committed := map[int32]int64{}
	for p := range int32(partitions) {
		committed[p] = max(0, w.Committed(p))
	}
	logged := map[string]bool{}
	for _, rec := range kafkatest.ReadAllUncommitted(w.t, w.Broker, out) {
		logged[string(rec.Value)] = true
	}
	early := 0
	f.committed, f.whole = committed, true
	for p, o := range committed {
		f.whole = f.whole && o == w.Cluster().PartitionInfo(w.Topic, p).HighWatermark
		for n := range min(o, perPartition) {
			for _, part := range parts(p, n) {
				if !logged[grouptest.Value(p, n, part)] {
					early++
				}
			}
		}
	}
	f.early = max(f.early, early)
	f.verdict = w.Written(parts, out).Verify(w.Sent())
}

// run runs sessions, each from the middle of the one before on, until everything is copied.
func (w *world) run(sessions ...*session) (f finding) {
	w.t.Helper()
	ctls := make([]*stream.Control, len(sessions))
	for i, s := range sessions {
		if i > 0 {
			w.Await("the middle", w.middle)
		}
		ctls[i] = w.Start(s.blueprint())
	}
	w.watch(&f, quiet)
	for i, s := range sessions {
		if s.broken { // what it has sent between two transactions may wait for ever
			grouptest.Stop(ctls[i])
			continue
		}
		w.Drain(ctls[i])
	}
	w.watch(&f, 0)
	for i, s := range sessions {
		w.t.Logf("session %d: %d transactions committed, %d aborted", i, s.commits.Load(), s.aborts.Load())
	}
	w.t.Log(f)
	return f
}
