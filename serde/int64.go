package serde

import "encoding/binary"

// Int64 is eight bytes, big endian, as Java's LongSerializer writes them. Data
// of another length is an [Error] with a *[LengthError] inside.
func Int64() Serde[int64] { return int64Serde{} }

type int64Serde struct{}

func (int64Serde) Append(dst []byte, _ string, v int64) ([]byte, error) {
	return binary.BigEndian.AppendUint64(dst, uint64(v)), nil
}

func (int64Serde) Deserialize(topic string, data []byte) (int64, error) {
	if len(data) != 8 {
		return 0, failed[int64](Deserialize, topic, &LengthError{Want: 8, Got: len(data)})
	}
	return int64(binary.BigEndian.Uint64(data)), nil
}
