package serde

// Bytes is bytes as they are.
//
// Nothing is copied in either direction. Writing, the slice is lent: leave it
// unchanged until the record is acknowledged. Reading, the result is the
// consumed record's own memory, and shares it with other records of the same
// fetch: do not write to it, and clone what is kept for long (a few bytes can
// keep megabytes alive) or beyond a record that goes back to the client's pool.
//
// A nil slice is written as the empty byte string, not as null: null is
// explicit in the record.
func Bytes() Serde[[]byte] { return bytesSerde{} }

type bytesSerde struct{}

func (bytesSerde) Append(dst []byte, _ string, v []byte) ([]byte, error) {
	return append(dst, v...), nil
}

func (bytesSerde) Borrow(v []byte) ([]byte, bool) {
	if v == nil {
		return []byte{}, true
	}
	return v, true
}

func (bytesSerde) Deserialize(_ string, data []byte) ([]byte, error) {
	return data, nil
}
