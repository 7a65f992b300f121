package main

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// P12: what lives on the heap while a slow sink holds up 1,000 partitions with far
// more in them than the consumer may have in memory.

const (
	memoryBudget = 128 << 20 // the library's default
	memoryRoom   = 64 << 20  // for all else
	mebibyte     = 1 << 20
)

func memoryOfManyPartitions() scenario {
	return scenario{id: "P12", title: "heap with 1,000 partitions and a slow sink, 640 MB to read", cases: []*benchCase{
		memoryCase("snappy-1KB", kgo.SnappyCompression(), 1_000, 640_000),
		memoryCase("none-1KB", kgo.NoCompression(), 1_000, 640_000),
		memoryCase("snappy-100B", kgo.SnappyCompression(), 100, 2_500_000),
	}}
}

func memoryCase(name string, codec kgo.CompressionCodec, valueBytes, n int) *benchCase {
	return &benchCase{
		name: name, unit: mebibytes, goal: goal{atMost: (memoryBudget + memoryRoom) / mebibyte},
		uncounted: true, maxReps: 2,
		load: func(kind string) load {
			l := standardLoad(kind, valueBytes)
			l.partitions, l.compression = 1_000, codec
			return l
		},
		reads: stored, apart: true, readOnly: true, commits: true,
		sides: func(size sizing) sides {
			n, slow := size.of(n), 10*time.Second
			if size.quick {
				slow = 200 * time.Millisecond
			}
			return sides{
				ours:      oursMemory(n, slow),
				baselines: []side{{name: "the budget", n: n, run: theBudget}},
				context:   []side{{name: "PollRecords(1000), one response buffered by the client", n: n, run: pollSlowly(slow)}},
			}
		},
	}
}

// theBudget is a figure and no measurement.
func theBudget(ctx context.Context, t *trial) error {
	t.took.value = memoryBudget / mebibyte
	t.group = "" // nobody reads
	return t.measure(func() error { time.Sleep(time.Microsecond); return nil })
}

// A slowSink takes a millisecond for each record until its time is over, and then
// none: the rest is read too, to see that all is there.
type slowSink struct {
	// until is written by the measuring goroutine, got by the sink's.
	until atomic.Int64
	got   tally
}

func (s *slowSink) take(value []byte, offset int64) {
	if s.until.Load() > time.Now().UnixNano() {
		time.Sleep(time.Millisecond)
	}
	s.got.take(value, offset)
}

// pollSlowly is the loop that most people would write.
func pollSlowly(slow time.Duration) func(ctx context.Context, t *trial) error {
	return func(ctx context.Context, t *trial) error {
		return withHeap(t, slow, func(sink *slowSink) error {
			cl, err := kgo.NewClient(t.asMember()...)
			if err != nil {
				return err
			}
			defer cl.Close()
			for sink.got.records < int64(t.n) {
				fs, err := poll(ctx, cl, 1000)
				if err != nil {
					return err
				}
				fs.EachRecord(func(rec *kgo.Record) { sink.take(rec.Value, rec.Offset) })
				if err := cl.CommitUncommittedOffsets(ctx); err != nil {
					return err
				}
			}
			return nil
		})
	}
}

// withHeap runs a reader with a slow sink, and notes how much of the heap is live
// at most: in use right after a garbage collection, a few times a second.
func withHeap(t *trial, slow time.Duration, f func(sink *slowSink) error) error {
	sink := &slowSink{}
	sink.until.Store(time.Now().Add(slow).UnixNano())
	stop := make(chan struct{})
	var most uint64
	var sampling sync.WaitGroup
	sampling.Go(func() {
		tick := time.NewTicker(max(slow/40, 50*time.Millisecond))
		defer tick.Stop()
		for {
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapInuse)
			select {
			case <-stop:
				return
			case <-tick.C:
			}
		}
	})
	err := t.measure(func() error { return f(sink) })
	close(stop)
	sampling.Wait()
	t.took.value = float64(most) / mebibyte
	if err != nil {
		return err
	}
	return sink.got.check(t)
}
