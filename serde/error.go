package serde

import (
	"errors"
	"fmt"
	"reflect"
)

// Op is what was tried when an [Error] came about.
type Op string

// The two directions.
const (
	Serialize   Op = "serialize"
	Deserialize Op = "deserialize"
)

// Error is a key or value that could not be written or read. Serdes of this
// package return no other error.
type Error struct {
	// Topic is the record's.
	Topic string
	// Op is the direction.
	Op Op
	// Type is the Go type that was to be written or read.
	Type string
	// Err is the cause.
	Err error
}

// Error names direction, type, topic and cause.
func (e *Error) Error() string {
	return fmt.Sprintf("vicuna: serde: %s %s (topic %q): %v", e.Op, e.Type, e.Topic, e.Err)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// LengthError is the cause of an [Error] where data of a fixed length has
// another one.
type LengthError struct {
	// Want and Got are in bytes.
	Want, Got int
}

// Error names both lengths.
func (e *LengthError) Error() string {
	return fmt.Sprintf("the data has %d bytes and not %d", e.Got, e.Want)
}

// ErrMissing is the cause of an [Error] where the direction that is needed was
// not given to [Of] or [Func].
var ErrMissing = errors.New("no function for this direction was given")

// failed wraps err, unless it says all of this already.
func failed[T any](op Op, topic string, err error) error {
	if e, ok := err.(*Error); ok {
		return e
	}
	return &Error{Topic: topic, Op: op, Type: reflect.TypeFor[T]().String(), Err: err}
}
