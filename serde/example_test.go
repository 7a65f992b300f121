package serde_test

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/vicuna-go/vicuna/serde"
)

func ExampleJSON() {
	type point struct{ X, Y int }
	s := serde.JSON[point]()
	data, err := s.Append(nil, "points", point{X: 1, Y: 2})
	fmt.Println(string(data), err)
	p, err := s.Deserialize("points", data)
	fmt.Println(p, err)
	// Output:
	// {"X":1,"Y":2} <nil>
	// {1 2} <nil>
}

func ExampleFunc() {
	s := serde.Func(
		func(dst []byte, v int) ([]byte, error) { return strconv.AppendInt(dst, int64(v), 10), nil },
		func(data []byte) (int, error) { return strconv.Atoi(string(data)) },
	)
	data, _ := s.Append(nil, "numbers", 42)
	fmt.Println(string(data))
	// Output: 42
}

func ExampleOf() {
	readOnly := serde.Of(nil, serde.Deserializer[int64](serde.Int64()))
	_, err := readOnly.Append(nil, "counts", 1)
	fmt.Println(errors.Is(err, serde.ErrMissing))
	// Output: true
}

func ExampleError() {
	_, err := serde.Int64().Deserialize("counts", []byte("seven"))
	var e *serde.Error
	if errors.As(err, &e) {
		fmt.Println(e.Op, e.Type, e.Topic)
	}
	fmt.Println(err)
	// Output:
	// deserialize int64 counts
	// vicuna: serde: deserialize int64 (topic "counts"): the data has 5 bytes and not 8
}
