package committing_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/internal/committing"
	"github.com/vicuna-go/vicuna/stream"
)

type (
	// message is built as a consumer's: the offset beside an embedded record, and fields of its
	// own.
	message struct {
		body
		Offset envelope.Committable
		_      *offset
	}
	body struct {
		Value string
		_     *kgo.Record
	}
	row struct {
		Number  int
		Message *message
	}
	embedding    struct{ envelope.Committable }
	embeddingRow struct{ *row }
	hiding       struct {
		_      int
		offset envelope.Committable
	}
	carrying  struct{ hiding }
	wrapping  struct{ of *offset }
	uncompare []int
	tree      struct {
		Offset envelope.Committable
		Left   *tree
	}
	record = envelope.Record[string, string]
)

func (c carrying) Committable() envelope.Committable { return c.offset }

func (w wrapping) Commit() { w.of.commits += 10 }

func (uncompare) Commit() {}

// pass is what a user makes of the interface of results.
type pass struct{ m *message }

func (p pass) Pass() *message { return p.m }

// found returns what is found in a value, and requires that it is found again, and let go.
func found[T any](t *testing.T, v T) []envelope.Committable {
	t.Helper()
	f, reason := committing.FinderOf[T]()
	require.NotNil(t, f, reason)
	first := append([]envelope.Committable{}, f.Find(v)...)
	f.Forget()
	again := f.Find(v)
	require.Len(t, again, len(first))
	for i := range again {
		require.Same(t, first[i], again[i])
	}
	f.Forget()
	for _, c := range again {
		require.Nil(t, c, "an offset is kept")
	}
	return first
}

func requireFound[T any](t *testing.T, v T, want ...envelope.Committable) {
	t.Helper()
	got := found(t, v)
	require.Len(t, got, len(want), "%T", v)
	for i := range want {
		require.Same(t, want[i], got[i], "%T, %d", v, i)
	}
}

func TestFinder(t *testing.T) {
	a, b, c := &offset{}, &offset{}, &offset{}
	msg := func(o *offset) *message { return &message{Offset: o} }

	requireFound[envelope.Committable](t, a, a)
	requireFound(t, a, a)
	requireFound(t, *msg(a), a)
	requireFound(t, msg(a), a)
	requireFound(t, []*message{msg(a), msg(b), msg(a)}, a, b, a)
	requireFound(t, []message{*msg(a), *msg(b)}, a, b)
	requireFound(t, [2][]*message{{msg(a)}, {msg(b), msg(c)}}, a, b, c)
	requireFound(t, []envelope.Committable{a, b}, a, b)
	requireFound(t, row{7, msg(a)}, a)
	requireFound(t, []embeddingRow{{&row{7, msg(a)}}, {&row{8, msg(b)}}}, a, b)
	requireFound(t, embedding{a}, a)
	requireFound(t, &embedding{a}, a)
	requireFound(t, carrying{hiding{offset: a}}, a)
	requireFound(t, []*carrying{{hiding{offset: a}}, {hiding{offset: b}}}, a, b)
	requireFound[envelope.Carrier](t, carrying{hiding{offset: a}}, a)
	requireFound(t, stream.Pair[int, envelope.Committable]{Value: 7, Context: a}, a)
	requireFound(t, stream.Pair[[]*message, string]{Value: []*message{msg(a), msg(b)}}, a, b)
	requireFound(t, map[bool]*message{true: msg(a)}[true], a)

	result := &envelope.Result[string, string, envelope.Committable]{PassThrough: a}
	requireFound(t, result, a)
	requireFound[envelope.Results[string, string, envelope.Committable]](t, result, a)
	requireFound[envelope.Envelope[string, string, envelope.Committable]](t, &envelope.Message[string, string, envelope.Committable]{PassThrough: a}, a)
	requireFound[envelope.Results[string, string, *message]](t, &envelope.MultiResult[string, string, *message]{PassThrough: msg(a)}, a)
	requireFound[envelope.Results[string, string, []*message]](t,
		&envelope.PassThroughResult[string, string, []*message]{PassThrough: []*message{msg(a), msg(b)}}, a, b)
	requireFound[interface{ Pass() *message }](t, pass{msg(a)}, a)
}

// An offset that several fields show is one, that several elements of a slice show is several.
func TestFinderOfOffsetsShownTwice(t *testing.T) {
	a, b := &offset{}, &offset{}
	requireFound(t, stream.Pair[*message, envelope.Committable]{Value: &message{Offset: a}, Context: a}, a)
	requireFound(t, stream.Pair[[]*offset, []*offset]{Value: []*offset{a, a}, Context: []*offset{a, b, b}}, a, a, b, b)
	requireFound(t, []stream.Pair[*offset, *offset]{{Value: a, Context: a}, {Value: a, Context: b}}, a, a, b)

	type both = stream.Pair[envelope.Committable, envelope.Committable]
	f, _ := committing.FinderOf[both]()
	require.Len(t, f.Find(both{Value: uncompare{1}, Context: uncompare{1}}), 2, "what cannot be compared is no consumer's")
}

func TestFinderOfNothing(t *testing.T) {
	requireFound[envelope.Committable](t, nil)
	requireFound[*offset](t, nil)
	requireFound[*message](t, nil)
	requireFound(t, &message{})
	requireFound[[]*message](t, nil)
	requireFound(t, []*message{nil, {}, nil})
	requireFound(t, row{})
	requireFound(t, embedding{})
	requireFound[*embedding](t, nil)
	requireFound(t, embeddingRow{})
	requireFound[*carrying](t, nil)
	requireFound(t, carrying{})
	requireFound[envelope.Carrier](t, nil)
	requireFound[envelope.Results[string, string, envelope.Committable]](t, nil)
	requireFound[envelope.Results[string, string, envelope.Committable]](t, &envelope.Result[string, string, envelope.Committable]{})
	requireFound[envelope.Results[string, string, *message]](t, nil)
	requireFound[envelope.Results[string, string, *message]](t, (*envelope.Result[string, string, *message])(nil))
	requireFound[envelope.Results[string, string, *message]](t, &envelope.Result[string, string, *message]{})
}

// A Committable that is a value is committed as it lies there.
func TestFinderOfAValue(t *testing.T) {
	a := &offset{}
	f, _ := committing.FinderOf[[]wrapping]()
	for _, c := range f.Find([]wrapping{{a}, {a}}) {
		c.Commit()
	}
	require.Equal(t, 20, a.commits)
}

func TestFinderRefuses(t *testing.T) {
	requireRefused[int](t, "")
	requireRefused[any](t, "")
	requireRefused[*record](t, "")
	requireRefused[*kgo.Record](t, "")
	requireRefused[map[string]envelope.Committable](t, "")
	requireRefused[[0]envelope.Committable](t, "")
	requireRefused[envelope.Results[string, string, int]](t, "")
	requireRefused[[]hiding](t, "its field committing_test.hiding.offset is not exported")
	requireRefused[tree](t, "committing_test.tree contains itself, so that there is no end to looking")
	requireRefused[stream.Pair[int, []*tree]](t, "*committing_test.tree contains itself, so that there is no end to looking")
}

func requireRefused[T any](t *testing.T, reason string) {
	t.Helper()
	f, got := committing.FinderOf[T]()
	require.Nil(t, f)
	require.Equal(t, reason, got)
}

func TestFinderAllocatesNothing(t *testing.T) {
	msgs := make([]*message, 100)
	for i := range msgs {
		msgs[i] = &message{Offset: &offset{}}
	}
	requireNoAllocation(t, msgs)
	requireNoAllocation(t, msgs[0])
	requireNoAllocation(t, *msgs[0])
	requireNoAllocation(t, stream.Pair[*message, envelope.Committable]{Value: msgs[0], Context: msgs[1].Offset})
	requireNoAllocation(t, carrying{hiding{offset: msgs[0].Offset}})
	requireNoAllocation(t, []*offset{{}, {}})
	requireNoAllocation[envelope.Results[string, string, *message]](t, &envelope.MultiResult[string, string, *message]{PassThrough: msgs[0]})
}

func requireNoAllocation[T any](t *testing.T, v T) {
	t.Helper()
	f, _ := committing.FinderOf[T]()
	f.Find(v) // room for what is found
	require.Zero(t, testing.AllocsPerRun(100, func() {
		f.Find(v)
		f.Forget()
	}))
}
