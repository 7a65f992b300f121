package serde

import (
	"encoding/json"
	"sync"
)

// JSON writes and reads T as encoding/json does, with its struct tags and its
// marshalling methods; those with a pointer receiver are used as well. Unknown
// fields are ignored. A nil pointer, slice or map is written as JSON's null,
// four letters that are not Kafka's null.
//
// Data that is not exactly one JSON value is an [Error] with encoding/json's own
// error inside.
func JSON[T any]() Serde[T] { return jsonSerde[T]{} }

type jsonSerde[T any] struct{}

// jsonWriter writes into the caller's buffer. json.Marshal would make a slice of
// its own for each value, to be copied and thrown away.
type jsonWriter struct {
	dst []byte
	enc *json.Encoder
}

func (w *jsonWriter) Write(p []byte) (int, error) {
	w.dst = append(w.dst, p...)
	return len(p), nil
}

var jsonWriters = sync.Pool{New: func() any {
	w := new(jsonWriter)
	w.enc = json.NewEncoder(w)
	return w
}}

func (jsonSerde[T]) Append(dst []byte, topic string, v T) ([]byte, error) {
	w := jsonWriters.Get().(*jsonWriter)
	w.dst = dst
	err := w.enc.Encode(&v) // by pointer: marshalling methods of *T count too
	dst, w.dst = w.dst, nil
	jsonWriters.Put(w) // not after a panic of a user's method: then it is left to the collector
	if err != nil {
		return dst, failed[T](Serialize, topic, err)
	}
	return dst[:len(dst)-1], nil // Encode ends with a newline
}

func (jsonSerde[T]) Deserialize(topic string, data []byte) (T, error) {
	var v T
	if err := json.Unmarshal(data, &v); err != nil {
		var zero T
		return zero, failed[T](Deserialize, topic, err)
	}
	return v, nil
}
