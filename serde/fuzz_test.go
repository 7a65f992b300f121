package serde_test

import (
	"reflect"
	"testing"

	"github.com/vicuna-go/vicuna/serde"
)

func FuzzString(f *testing.F) {
	f.Add("")
	f.Add("żółć\xff\x00")
	f.Fuzz(func(t *testing.T, v string) { roundTrip(t, serde.String(), v, v) })
}

func FuzzBytes(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte("abc\x00"))
	f.Fuzz(func(t *testing.T, v []byte) { roundTrip(t, serde.Bytes(), v, string(v)) })
}

func FuzzInt64(f *testing.F) {
	f.Add(int64(0), []byte{})
	f.Add(int64(-1), []byte("12345678"))
	f.Fuzz(func(t *testing.T, v int64, data []byte) {
		s := serde.Int64()
		wire, err := s.Append(nil, "t", v)
		if err != nil || len(wire) != 8 {
			t.Fatalf("%d became %x (%v)", v, wire, err)
		}
		if back, err := s.Deserialize("t", wire); err != nil || back != v {
			t.Fatalf("%d came back as %d (%v)", v, back, err)
		}
		if _, err := s.Deserialize("t", data); (err == nil) != (len(data) == 8) {
			t.Fatalf("%x: %v", data, err)
		}
	})
}

// FuzzJSON reads anything without a panic, and what it reads survives being
// written and read again.
func FuzzJSON(f *testing.F) {
	for _, seed := range []string{"", "null", `{"id":"1","items":["a"],"total":1e300}`, `{"id":"\ud800"}`, "[[[[", "{}{}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		again(t, serde.JSON[order](), data)
		again(t, serde.JSON[any](), data)
		again(t, serde.JSON[shouting](), data)
	})
}

func again[T any](t *testing.T, s serde.Serde[T], data []byte) {
	t.Helper()
	v, err := s.Deserialize("t", data)
	if err != nil {
		if _, ok := err.(*serde.Error); !ok {
			t.Fatalf("not typed: %T %v", err, err)
		}
		return
	}
	wire, err := s.Append(nil, "t", v)
	if err != nil {
		t.Fatalf("%q was read as %#v, which cannot be written: %v", data, v, err)
	}
	back, err := s.Deserialize("t", wire)
	if err != nil {
		t.Fatalf("%q: %v", wire, err)
	}
	// Writing once more evens out what JSON cannot tell apart (an empty list
	// that omitempty leaves out comes back as nil).
	wire2, err := s.Append(nil, "t", back)
	if err != nil || !reflect.DeepEqual(wire, wire2) {
		t.Fatalf("%q became %q (%v)", wire, wire2, err)
	}
}
