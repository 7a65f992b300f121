package envelope

import "fmt"

// Optional is a value that may be unset. The zero Optional is unset, which is
// why a record's key is one: "no key" and "the key that is T's zero value" are
// different records to Kafka.
type Optional[T any] struct {
	value T
	set   bool
}

// Some returns an Optional that is set to v, also where v is T's zero value.
func Some[T any](v T) Optional[T] { return Optional[T]{value: v, set: true} }

// Get returns the value and whether it is set; T's zero value where it is not.
func (o Optional[T]) Get() (T, bool) { return o.value, o.set }

// IsSet tells whether a value was given.
func (o Optional[T]) IsSet() bool { return o.set }

// String shows the value as fmt's %v does, or "unset".
func (o Optional[T]) String() string {
	if !o.set {
		return "unset"
	}
	return fmt.Sprint(o.value)
}
