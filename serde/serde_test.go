package serde_test

import (
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/serde"
)

type order struct {
	ID    string   `json:"id"`
	Items []string `json:"items,omitempty"`
	Total float64  `json:"total"`
}

// shouting has its marshalling methods on the pointer, as many types do.
type shouting struct{ text string }

func (s *shouting) MarshalJSON() ([]byte, error) { return json.Marshal("LOUD " + s.text) }

func (s *shouting) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return err
	}
	text, loud := strings.CutPrefix(text, "LOUD ")
	if !loud {
		return errors.New("not loud")
	}
	s.text = text
	return nil
}

// roundTrip checks what holds for every serde: the wire form, that Append leaves
// what was in the buffer alone, that lending and appending agree, and the way
// back.
func roundTrip[T any](t testing.TB, s serde.Serde[T], v T, wire string) {
	t.Helper()
	got, err := s.Append([]byte("before"), "topic", v)
	require.NoError(t, err)
	require.Equal(t, "before"+wire, string(got))

	got, err = s.Append(nil, "topic", v)
	require.NoError(t, err)
	require.Equal(t, wire, string(got))

	if l, ok := s.(serde.Lender[T]); ok {
		lent, ok := l.Borrow(v)
		require.True(t, ok)
		require.NotNil(t, lent, "nil would be null on the wire")
		require.Equal(t, wire, string(lent))
	}

	back, err := s.Deserialize("topic", []byte(wire))
	require.NoError(t, err)
	require.Equal(t, v, back)
}

func TestString(t *testing.T) {
	for _, v := range []string{"", "a", "żółć", "\x00\xff not UTF-8"} {
		roundTrip(t, serde.String(), v, v)
	}
	v, err := serde.String().Deserialize("t", nil)
	require.NoError(t, err)
	require.Empty(t, v)
}

func TestStringCopiesWhatItReads(t *testing.T) {
	data := []byte("abc")
	v, err := serde.String().Deserialize("t", data)
	require.NoError(t, err)
	data[0] = 'x'
	require.Equal(t, "abc", v)
}

func TestBytes(t *testing.T) {
	for _, v := range [][]byte{{}, {0}, []byte("abc")} {
		roundTrip(t, serde.Bytes(), v, string(v))
	}
	lent, ok := serde.Bytes().(serde.Lender[[]byte]).Borrow(nil)
	require.True(t, ok)
	require.NotNil(t, lent, "null is explicit in the record")
	require.Empty(t, lent)
}

func TestLendingAllocatesNothing(t *testing.T) {
	text := serde.String().(serde.Lender[string])
	raw := serde.Bytes().(serde.Lender[[]byte])
	s, b := "abc", []byte("abc")
	var out []byte
	require.Zero(t, testing.AllocsPerRun(100, func() { out, _ = text.Borrow(s) }))
	require.Zero(t, testing.AllocsPerRun(100, func() { out, _ = raw.Borrow(b) }))
	require.Equal(t, b, out)
	require.Same(t, &b[0], &out[0])
}

func TestInt64(t *testing.T) {
	for v, wire := range map[int64]string{
		0:             "\x00\x00\x00\x00\x00\x00\x00\x00",
		1:             "\x00\x00\x00\x00\x00\x00\x00\x01",
		-1:            "\xff\xff\xff\xff\xff\xff\xff\xff",
		math.MaxInt64: "\x7f\xff\xff\xff\xff\xff\xff\xff",
		math.MinInt64: "\x80\x00\x00\x00\x00\x00\x00\x00",
	} {
		roundTrip(t, serde.Int64(), v, wire)
	}
	for _, n := range []int{0, 7, 9} {
		_, err := serde.Int64().Deserialize("longs", make([]byte, n))
		var typed *serde.Error
		require.ErrorAs(t, err, &typed)
		require.Equal(t, "longs", typed.Topic)
		require.Equal(t, serde.Deserialize, typed.Op)
		require.Equal(t, "int64", typed.Type)
		var length *serde.LengthError
		require.ErrorAs(t, err, &length)
		require.Equal(t, serde.LengthError{Want: 8, Got: n}, *length)
	}
}

func TestJSON(t *testing.T) {
	roundTrip(t, serde.JSON[order](), order{ID: "1", Items: []string{"<a>"}, Total: 1.5}, `{"id":"1","items":["\u003ca\u003e"],"total":1.5}`)
	roundTrip(t, serde.JSON[*order](), nil, `null`)
	roundTrip(t, serde.JSON[*order](), &order{ID: "1"}, `{"id":"1","total":0}`)
	roundTrip(t, serde.JSON[string](), "line\n", `"line\n"`)
	roundTrip(t, serde.JSON[any](), any(map[string]any{"a": 1.0}), `{"a":1}`)
	roundTrip(t, serde.JSON[shouting](), shouting{"hello"}, `"LOUD hello"`)
}

func TestJSONIsWhatMarshalWrites(t *testing.T) {
	v := order{ID: "&", Total: math.MaxFloat64}
	want, err := json.Marshal(v)
	require.NoError(t, err)
	got, err := serde.JSON[order]().Append(nil, "t", v)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got))
}

func TestJSONErrors(t *testing.T) {
	for _, data := range []string{"", "{", "{} {}", `{"id":1}`, "\xff"} {
		v, err := serde.JSON[order]().Deserialize("orders", []byte(data))
		var typed *serde.Error
		require.ErrorAs(t, err, &typed, "%q", data)
		require.Equal(t, "orders", typed.Topic)
		require.Equal(t, serde.Deserialize, typed.Op)
		require.Equal(t, "serde_test.order", typed.Type)
		require.Zero(t, v)
	}

	dst := []byte("kept")
	_, err := serde.JSON[float64]().Append(dst, "orders", math.NaN())
	var typed *serde.Error
	require.ErrorAs(t, err, &typed)
	require.Equal(t, serde.Serialize, typed.Op)
	var unsupported *json.UnsupportedValueError
	require.ErrorAs(t, err, &unsupported)
	require.Equal(t, "kept", string(dst))

	// An error leaves nothing behind in the pooled encoder.
	roundTrip(t, serde.JSON[float64](), 1, "1")
}

func TestJSONIsSafeForConcurrentUse(t *testing.T) {
	s := serde.JSON[order]()
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 200 {
				v := order{ID: strconv.Itoa(g), Total: float64(i)}
				data, err := s.Append(nil, "t", v)
				if err != nil {
					t.Error(err)
					return
				}
				if back, err := s.Deserialize("t", data); err != nil || back.ID != v.ID || back.Total != v.Total {
					t.Errorf("wrote %v, read %v (%v)", v, back, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestNone(t *testing.T) {
	roundTrip(t, serde.None(), struct{}{}, "")
	_, err := serde.None().Deserialize("t", []byte("whatever"))
	require.NoError(t, err)
}

func TestOf(t *testing.T) {
	s := serde.Of[string](serde.String(), serde.JSON[string]())
	_, lends := s.(serde.Lender[string])
	require.True(t, lends, "what lends goes on lending")
	out, err := s.Append(nil, "t", "a")
	require.NoError(t, err)
	require.Equal(t, "a", string(out))
	v, err := s.Deserialize("t", []byte(`"a"`))
	require.NoError(t, err)
	require.Equal(t, "a", v)

	_, lends = serde.Of[string](serde.JSON[string](), serde.String()).(serde.Lender[string])
	require.False(t, lends)
}

func TestMissingDirections(t *testing.T) {
	for name, s := range map[string]serde.Serde[int]{"of": serde.Of[int](nil, nil), "func": serde.Func[int](nil, nil)} {
		t.Run(name, func(t *testing.T) {
			_, err := s.Append(nil, "t", 1)
			require.ErrorIs(t, err, serde.ErrMissing)
			_, err = s.Deserialize("t", nil)
			require.ErrorIs(t, err, serde.ErrMissing)
			var typed *serde.Error
			require.ErrorAs(t, err, &typed)
			require.Equal(t, "int", typed.Type)
		})
	}
}

func TestFunc(t *testing.T) {
	s := serde.Func(
		func(dst []byte, v int) ([]byte, error) {
			if v < 0 {
				return nil, errors.New("negative")
			}
			return strconv.AppendInt(dst, int64(v), 10), nil
		},
		func(data []byte) (int, error) { return strconv.Atoi(string(data)) },
	)
	roundTrip(t, s, 42, "42")

	dst, err := s.Append([]byte("kept"), "t", -1)
	require.EqualError(t, err, `vicuna: serde: serialize int (topic "t"): negative`)
	require.Equal(t, "kept", string(dst))

	_, err = s.Deserialize("t", []byte("x"))
	require.ErrorIs(t, err, strconv.ErrSyntax)
}

func TestErrorsAreWrappedOnce(t *testing.T) {
	s := serde.Func(nil, func(data []byte) (int64, error) { return serde.Int64().Deserialize("inner", data) })
	_, err := s.Deserialize("outer", nil)
	require.EqualError(t, err, `vicuna: serde: deserialize int64 (topic "inner"): the data has 0 bytes and not 8`)
}

func BenchmarkJSONAppend(b *testing.B) {
	s := serde.JSON[order]()
	v := order{ID: "1", Items: []string{"a", "b"}, Total: 1.5}
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf, _ = s.Append(buf[:0], "t", v)
	}
}
