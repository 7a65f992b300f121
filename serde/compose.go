package serde

// Of joins a serializer and a deserializer. Either may be nil where a program
// only writes, or only reads; using the missing one is an [Error] with
// [ErrMissing] inside. Where ser lends (see [Lender]), so does the result.
func Of[T any](ser Serializer[T], deser Deserializer[T]) Serde[T] {
	p := pair[T]{ser: ser, deser: deser}
	if l, ok := ser.(Lender[T]); ok {
		return lendingPair[T]{pair: p, Lender: l}
	}
	return p
}

type pair[T any] struct {
	ser   Serializer[T]
	deser Deserializer[T]
}

func (p pair[T]) Append(dst []byte, topic string, v T) ([]byte, error) {
	if p.ser == nil {
		return dst, failed[T](Serialize, topic, ErrMissing)
	}
	return p.ser.Append(dst, topic, v)
}

func (p pair[T]) Deserialize(topic string, data []byte) (T, error) {
	if p.deser == nil {
		var zero T
		return zero, failed[T](Deserialize, topic, ErrMissing)
	}
	return p.deser.Deserialize(topic, data)
}

type lendingPair[T any] struct {
	pair[T]
	Lender[T]
}

// Func makes a serde of two functions that know nothing of topics, such as the
// append and parse functions of many formats. Errors are wrapped in [Error].
// Either may be nil, as with [Of].
func Func[T any](appendTo func(dst []byte, v T) ([]byte, error), parse func(data []byte) (T, error)) Serde[T] {
	return funcSerde[T]{appendTo: appendTo, parse: parse}
}

type funcSerde[T any] struct {
	appendTo func([]byte, T) ([]byte, error)
	parse    func([]byte) (T, error)
}

func (f funcSerde[T]) Append(dst []byte, topic string, v T) ([]byte, error) {
	if f.appendTo == nil {
		return dst, failed[T](Serialize, topic, ErrMissing)
	}
	out, err := f.appendTo(dst, v)
	if err != nil {
		return dst, failed[T](Serialize, topic, err)
	}
	return out, nil
}

func (f funcSerde[T]) Deserialize(topic string, data []byte) (T, error) {
	var zero T
	if f.parse == nil {
		return zero, failed[T](Deserialize, topic, ErrMissing)
	}
	v, err := f.parse(data)
	if err != nil {
		return zero, failed[T](Deserialize, topic, err)
	}
	return v, nil
}
