package serde

import "unsafe"

// String is text as its bytes. They are not checked for UTF-8, in either
// direction: what was written is what is read. It lends (a string cannot
// change), so producing a string copies nothing; reading one copies it.
func String() Serde[string] { return stringSerde{} }

type stringSerde struct{}

func (stringSerde) Append(dst []byte, _ string, v string) ([]byte, error) {
	return append(dst, v...), nil
}

// Borrow gives out the string's memory. Nobody writes there: the client only
// reads keys and values.
func (stringSerde) Borrow(v string) ([]byte, bool) {
	if v == "" {
		return []byte{}, true // unsafe.StringData("") may be nil, and nil is null to the client
	}
	return unsafe.Slice(unsafe.StringData(v), len(v)), true
}

func (stringSerde) Deserialize(_ string, data []byte) (string, error) {
	return string(data), nil
}
