package docs_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/stream"
)

func ExampleCollect() {
	ctx := context.Background()
	// snippet: stream-first
	words := stream.FromSlice(strings.Fields("the vicuña is the alpaca's small fast wild relative"))
	long := words.Filter(func(w string) bool { return len(w) > 4 })
	lengths := stream.Map(long, func(w string) int { return len(w) })

	all, err := stream.Collect(ctx, lengths) // nothing has run before this
	fmt.Println(all, err)
	// end
	// Output: [7 8 5 8] <nil>
}

func ExampleNewFlow() {
	ctx := context.Background()
	// snippet: stream-flow
	parse := stream.NewFlow(func(s stream.Source[string]) stream.Source[int] {
		return stream.FilterMap(s, func(text string) (int, bool) {
			n, err := strconv.Atoi(text)
			return n, err == nil
		})
	})
	double := stream.NewFlow(func(s stream.Source[int]) stream.Source[int] {
		return stream.Map(s, func(n int) int { return 2 * n })
	})
	both := stream.Join(parse, double) // Flow[string, int]

	numbers := stream.Via(stream.FromSlice([]string{"1", "two", "3"}), both)
	all, _ := stream.Collect(ctx, numbers)
	fmt.Println(all)

	print := stream.ForEach(func(_ context.Context, n int) error {
		fmt.Println(n)
		return nil
	})
	// a flow and a sink are a sink
	_ = stream.FromSlice([]string{"20", "21"}).To(both.To(print)).Run(ctx)
	// end
	// Output:
	// [2 6]
	// 40
	// 42
}

// snippet: stream-fromfunc

// lines is a source of the lines of a file. The file is opened and closed by each run of its own.
func lines(name string) stream.Source[string] {
	return stream.FromFunc(func(ctx context.Context, emit func(string) bool) error {
		f, err := os.Open(name)
		if err != nil {
			return err // the run ends with it
		}
		defer f.Close()
		sc := bufio.NewScanner(f)
		for sc.Scan() {
			if !emit(sc.Text()) { // waits while the stream back-pressures
				return nil // no more is wanted: Take, a drain, a fault
			}
		}
		return sc.Err()
	})
}

// end

func TestLines(t *testing.T) {
	name := t.TempDir() + "/lines"
	require.NoError(t, os.WriteFile(name, []byte("a\nb\nc\n"), 0o600))
	all, err := stream.Collect(t.Context(), lines(name))
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b", "c"}, all)
	all, err = stream.Collect(t.Context(), lines(name).Take(2))
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b"}, all)
	_, err = stream.Collect(t.Context(), lines(name+"-missing"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestSources(t *testing.T) {
	ctx := t.Context()
	ticks := make(chan int, 3)
	ticks <- 1
	close(ticks)
	// snippet: stream-sources
	slice := stream.FromSlice([]int{1, 2, 3})
	numbers := stream.FromRange(1, 4)                      // 1, 2, 3, made as they are taken
	channel := stream.FromChan(ticks)                      // until it is closed
	iterator := stream.FromSeq(slices.Values([]int{4, 5})) // any iter.Seq
	merged := stream.Merge(slice, channel)                 // as they come
	// one after the other, each started at its turn
	inTurn := stream.Concat(merged, iterator, numbers.Filter(odd))
	// end
	all, err := stream.Collect(ctx, inTurn)
	require.NoError(t, err)
	require.Len(t, all, 8)
	require.Equal(t, []int{4, 5, 1, 3}, all[4:])
}

func odd(n int) bool { return n%2 != 0 }

func TestErrorPolicies(t *testing.T) {
	ctx := t.Context()
	var calls atomic.Int32
	errBusy, errBad := errors.New("busy"), errors.New("bad")
	lookUp := func(_ context.Context, id string) (string, error) {
		switch {
		case id == "bad":
			return "", errBad
		case id == "busy" && calls.Add(1) < 3:
			return "", errBusy
		}
		return strings.ToUpper(id), nil
	}
	ids := stream.FromSlice([]string{"a", "busy", "bad", "b"})

	// snippet: stream-policy
	patient := stream.Retry(stream.Backoff{
		Attempts: 5,
		First:    10 * time.Millisecond,
		// what is worth another attempt
		If: func(err error) bool { return errors.Is(err, errBusy) },
	})
	// and what becomes of the rest
	names := stream.TryMap(ids, lookUp, stream.OnError(patient.Else(stream.Skip())))
	// end
	all, err := stream.Collect(ctx, names)
	require.NoError(t, err)
	require.Equal(t, []string{"A", "BUSY", "B"}, all)

	calls.Store(0)
	var rejected []string
	// snippet: stream-divert
	reject := stream.ForEach(func(_ context.Context, f stream.Failed[string]) error {
		rejected = append(rejected, fmt.Sprintf("%s: %v, %d attempts", f.Value, f.Err, f.Attempts))
		return nil
	})
	names = stream.MapAsyncDivert(ids, 8, lookUp, reject, stream.OnError(patient))
	// end
	all, err = stream.Collect(ctx, names)
	require.NoError(t, err)
	require.Equal(t, []string{"A", "BUSY", "B"}, all)
	require.Equal(t, []string{"bad: bad, 1 attempts"}, rejected)

	calls.Store(0)
	rejected = nil
	// snippet: stream-divert-unordered
	type job struct {
		id, name string
		tries    int
		err      error // what it has failed with for good
	}
	const attempts = 3
	tried := stream.MapAsyncUnordered(stream.Map(ids, func(id string) *job { return &job{id: id} }), 8,
		func(ctx context.Context, j *job) (*job, error) {
			j.tries++
			j.name, j.err = lookUp(ctx, j.id)
			if j.err != nil && j.tries < attempts {
				return nil, j.err // it is called again
			}
			return j, nil
		}, stream.OnError(stream.Retry(stream.Backoff{Attempts: attempts, First: 10 * time.Millisecond})))
	good := tried.Divert(func(j *job) bool { return j.err != nil }, stream.ForEach(func(_ context.Context, j *job) error {
		rejected = append(rejected, fmt.Sprintf("%s: %v, %d attempts", j.id, j.err, j.tries))
		return nil
	}))
	// end
	found, err := stream.Collect(ctx, stream.Map(good, func(j *job) string { return j.name }))
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"A", "BUSY", "B"}, found)
	require.Equal(t, []string{"bad: bad, 3 attempts"}, rejected)

	_, err = stream.Collect(ctx, stream.TryMap(ids, lookUp, stream.OnError(stream.Retry(stream.Backoff{Attempts: 2, First: time.Nanosecond}))).Named("look-up"))
	var placed *stream.StageError
	// snippet: stream-errors
	switch {
	case err == nil: // every source has completed, and everything was finished
	case errors.Is(err, stream.ErrDrained): // ctx has ended; what was in flight was finished
	case errors.Is(err, stream.ErrDrainTimeout): // … and was not finished within the drain time-out
	case errors.Is(err, stream.ErrStopped): // by Control.Stop
	case errors.As(err, &placed):
		// a fault, with its stage and, from a tracked source, topic, partition and offset
		fmt.Println(placed.Stage, placed.Err)
	}
	// end
	require.Equal(t, "look-up", placed.Stage)
}

func TestBatch(t *testing.T) {
	ctx := t.Context()
	src := stream.FromSlice(strings.Fields("a bb ccc dddd eeeee"))
	// snippet: stream-batch
	// 100 elements, or what there is a second after the first of them
	batches := stream.Batch(src, 100, time.Second)
	bytes := stream.BatchBytes(src, 0, 8, func(s string) int { return len(s) }, 0)
	// end
	n, err := stream.Collect(ctx, batches)
	require.NoError(t, err)
	require.Len(t, n, 1)
	b, err := stream.Collect(ctx, bytes)
	require.NoError(t, err)
	require.Equal(t, [][]string{{"a", "bb", "ccc"}, {"dddd"}, {"eeeee"}}, b)
}

func TestBroadcast(t *testing.T) {
	ctx := t.Context()
	src := stream.FromSlice([]int{1, 2, 3, 4})
	odds, all := make(chan int, 4), make(chan int, 4)
	// snippet: stream-broadcast
	onlyOdd := stream.NewFlow(func(s stream.Source[int]) stream.Source[int] { return s.Filter(odd) })
	err := src.To(stream.Broadcast(onlyOdd.To(stream.ToChan(odds)), stream.ToChan(all))).Run(ctx)
	// end
	require.NoError(t, err)
	require.Len(t, odds, 2)
	require.Len(t, all, 4)
}

func TestFlatMap(t *testing.T) {
	ctx := t.Context()
	src := stream.FromSlice([]string{"a b", "", "c"})
	// snippet: stream-flatmap
	words := stream.FlatMap(src, func(line string) iter.Seq[string] { return slices.Values(strings.Fields(line)) })
	// end
	all, err := stream.Collect(ctx, words)
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b", "c"}, all)
}

func TestAll(t *testing.T) {
	numbers := stream.FromSlice([]int{1, 2, 3, 4})
	find := func(ctx context.Context) (int, error) {
		// snippet: stream-all
		for n, err := range numbers.All(ctx) {
			if err != nil {
				return 0, err // the stream's, and the last thing that is yielded
			}
			if n > 2 {
				return n, nil // leaving the loop stops the stream, and returns when it is over
			}
		}
		// end
		return 0, io.EOF
	}
	n, err := find(t.Context())
	require.NoError(t, err)
	require.Equal(t, 3, n)
}

func TestControl(t *testing.T) {
	jobs := make(chan int)
	work := func(context.Context, int) error { return nil }
	ctx := t.Context()
	run := func() error {
		// snippet: stream-control
		ctl, err := stream.FromChan(jobs).To(stream.ForEach(work).Named("work")).Start(ctx, stream.DrainTimeout(10*time.Second))
		if err != nil {
			return err // of the graph or its options, all at once; nothing has run
		}
		jobs <- 1
		s := ctl.Snapshot()
		fmt.Println(s.State, s.Stages, s.Busy)

		return ctl.Drain(ctx) // nil when everything was finished; ctl.Stop() does not wait for that
		// end
	}
	require.NoError(t, run())
}

func TestEach(t *testing.T) {
	ctx := t.Context()
	var total atomic.Int64
	// snippet: stream-each
	tenants := stream.FromSlice([]stream.Sub[string, int]{
		{Key: "a", Source: stream.FromSlice([]int{1, 2, 3})},
		{Key: "b", Source: stream.FromSlice([]int{10, 20})},
	})
	g := stream.Each(tenants, 2, func(tenant string, orders stream.Source[int]) stream.Graph {
		return orders.Named(tenant).To(stream.ForEach(func(_ context.Context, n int) error {
			total.Add(int64(n))
			return nil
		}))
	})
	err := g.Run(ctx)
	// end
	require.NoError(t, err)
	require.EqualValues(t, 36, total.Load())
}

func TestContext(t *testing.T) {
	ctx := t.Context()
	type request struct {
		ID   int
		Text string
	}
	requests := stream.FromSlice([]request{{1, "a"}, {2, "b"}})
	// snippet: stream-context
	texts := stream.MapWithContext(
		stream.WithContext(requests, func(r request) int { return r.ID }),
		func(r request) string { return strings.ToUpper(r.Text) }) // the id follows
	pairs, err := stream.Collect(ctx, texts.Pairs())
	// end
	require.NoError(t, err)
	require.Equal(t, []stream.Pair[string, int]{{Value: "A", Context: 1}, {Value: "B", Context: 2}}, pairs)
}
