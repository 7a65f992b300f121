package streamtest_test

import (
	"context"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/internal/blueprint"
	"github.com/vicuna-go/vicuna/internal/core"
	"github.com/vicuna-go/vicuna/stream"
	st "github.com/vicuna-go/vicuna/stream/streamtest"
)

// broken are stages that do not keep their contract, each with the case of the suite that has to
// notice.
var broken = map[string]struct {
	notices string
	run     func(*testing.T)
}{
	"leaks a goroutine": {"completes", suite(handmade(func(_ *core.Island, st core.Stage[int]) core.Stage[int] {
		go func() { select {} }()
		return st
	}), st.Ordered())},

	"loses an element": {"completes", suite(handmade(func(_ *core.Island, st core.Stage[int]) core.Stage[int] {
		return core.Stage[int]{Push: func(v int) {
			if v != 500 {
				st.Push(v)
			}
		}, Done: st.Done, Link: st.Link}
	}), st.Ordered())},

	"swaps elements": {"completes", suite(handmade(keeping(false)), st.Ordered())},

	"takes in too much": {"back-pressure", suite(flow(func(s stream.Source[int], _ call) stream.Source[int] { return s.Buffer(100) }, same), st.Ordered(), st.Ahead(50))},

	"keeps state between runs": {"again", suite(st.FlowCase[int, int]{
		New: func(*testing.T, func(context.Context, int) error) stream.Flow[int, int] {
			n := 0
			return stream.NewFlow(func(s stream.Source[int]) stream.Source[int] {
				return s.Filter(func(int) bool { n++; return n <= 1000 })
			})
		}, Input: self, Output: func(in []int) []int { return in[:min(len(in), 1000)] },
	}, st.Ordered(), st.Again())},

	"swallows a panic": {"panic", suite(flow(func(s stream.Source[int], f call) stream.Source[int] {
		return s.Tap(func(v int) {
			defer func() { _ = recover() }()
			must(f, v)
		}).Take(1000)
	}, same), st.Ordered(), st.Ends(), st.Panics())},

	"swallows an error": {"own_fault", suite(flow(func(s stream.Source[int], f call) stream.Source[int] {
		return stream.TryMap(s, func(ctx context.Context, v int) (int, error) { return v, f(ctx, v) }, stream.OnError(stream.Skip())).Take(1000)
	}, same), st.Ordered(), st.Ends(), st.Fails())},

	"finishes what the hard stop has cut off": {"hard_stop_in_a_call", suite(flow(func(s stream.Source[int], f call) stream.Source[int] {
		return stream.TryMap(s, func(ctx context.Context, v int) (int, error) { _ = f(ctx, v); return v, nil })
	}, same), st.Ordered(), st.Diverts())},

	"does not hurry": {"hurry", suite(holding(flow(func(s stream.Source[int], _ call) stream.Source[[]int] {
		return stream.Map(stream.Via(s, handmade(keeping(true)).New(nil, nil)), func(v int) []int { return []int{v} })
	}, func(in []int) (out [][]int) {
		for _, v := range in {
			out = append(out, []int{v})
		}
		return out
	}), parts), st.Ordered(), st.Holds())},

	"finishes too early": {"tokens_in_flight", suite(handmade(keeping(true)), st.Ordered())},

	"strands tokens": {"tokens_done", suite(handmade(func(isl *core.Island, st core.Stage[int]) core.Stage[int] {
		return core.Stage[int]{Push: func(v int) {
			if v == 100 {
				isl.Out() // says that it went on, and it did not
				return
			}
			st.Push(v)
		}, Done: st.Done, Link: st.Link}
	}), st.Ordered())},

	"does not pass a cancellation on": {"cancelled_while_quiet", suite(handmade(func(_ *core.Island, st core.Stage[int]) core.Stage[int] {
		return core.Stage[int]{Push: st.Push, Done: st.Done, Link: &core.Link{}}
	}), st.Ordered())},

	"calls one at a time": {"parallel_calls", suite(flow(func(s stream.Source[int], f call) stream.Source[int] {
		return stream.MapAsync(s, 2, func(ctx context.Context, v int) (int, error) { return v, f(ctx, v) })
	}, same), st.Ordered(), st.Parallel(4))},

	"a source that does not come back": {"cancelled_behind", source(st.SourceCase[int]{New: func(t *testing.T, _ func(context.Context) error) stream.Source[int] {
		return stream.FromFunc(func(_ context.Context, emit func(int) bool) error {
			for i := range 1000 {
				emit(i)
			}
			<-t.Context().Done()
			return nil
		})
	}, Want: upTo(1000)}, st.Ordered(), st.Endless())},

	"a sink that loses elements": {"completes", sink(func(_ *testing.T, f call) stream.Sink[int] {
		return stream.ForEach(func(ctx context.Context, v int) error {
			if v%7 == 0 {
				return nil
			}
			return f(ctx, v)
		})
	}, st.Ordered())},

	"a sink that finishes what it has handed on": {"tokens_in_flight", sink(func(t *testing.T, f call) stream.Sink[int] {
		ch := make(chan int, 1000)
		t.Cleanup(func() { close(ch) })
		go func() {
			for v := range ch {
				_ = f(t.Context(), v)
			}
		}()
		return stream.ToChan(ch)
	}, st.Ordered())},
}

// handmade is the case of a hand-made stage that passes integers through.
func handmade(attach func(isl *core.Island, st core.Stage[int]) core.Stage[int]) st.FlowCase[int, int] {
	flow := stream.NewFlow(func(src stream.Source[int]) stream.Source[int] {
		return stream.Source[int](blueprint.Operator(blueprint.Source[int](src), "broken", func(_ *core.Builder, name string, at core.At, next func(core.At) core.Stage[int]) core.Stage[int] {
			st := next(at)
			at.Island.AddStage(name)
			return attach(at.Island, st)
		}))
	})
	return st.FlowCase[int, int]{
		New: func(*testing.T, func(context.Context, int) error) stream.Flow[int, int] { return flow }, Input: self, Output: same,
	}
}

// keeping keeps an element back until the next one comes, and sends it after that, or before it.
func keeping(ordered bool) func(isl *core.Island, st core.Stage[int]) core.Stage[int] {
	return func(_ *core.Island, st core.Stage[int]) core.Stage[int] {
		kept, has := 0, false
		return core.Stage[int]{Push: func(v int) {
			switch {
			case !has:
				kept, has = v, true
			case ordered:
				st.Push(kept)
				kept = v
			default:
				st.Push(v)
			}
		}, Done: func() {
			if has {
				st.Push(kept)
			}
			st.Done()
		}, Link: st.Link}
	}
}

const brokenVariable = "VICUNA_STREAMTEST_BROKEN"

// TestBroken fails: TestSuiteNotices runs it, in a process of its own.
func TestBroken(t *testing.T) {
	if os.Getenv(brokenVariable) == "" {
		t.Skip("run by TestSuiteNotices")
	}
	for name, b := range broken {
		t.Run(name, b.run)
	}
}

func TestSuiteNotices(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestBroken$", "-test.v", "-test.timeout=60s")
	cmd.Env = append(os.Environ(), brokenVariable+"=1")
	out, err := cmd.CombinedOutput()
	require.Error(t, err)
	failures := strings.Join(regexp.MustCompile(`(?m)^ *--- FAIL: .*$|^panic: .*$`).FindAllString(string(out), -1), "\n")
	for name, b := range broken {
		t.Run(name, func(t *testing.T) {
			failed := "--- FAIL: TestBroken/" + strings.ReplaceAll(name, " ", "_") + "/" + b.notices + " ("
			require.Contains(t, failures, failed)
		})
	}
}
