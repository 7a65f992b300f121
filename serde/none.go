package serde

// None is no data: it appends nothing, and reads anything as nothing. It is for
// the keys of topics that have none, and for values that do not matter.
//
// Its result is the empty byte string, as with every serializer; for null on
// the wire leave the record's key unset, or make it a tombstone.
func None() Serde[struct{}] { return noneSerde{} }

type noneSerde struct{}

func (noneSerde) Append(dst []byte, _ string, _ struct{}) ([]byte, error) { return dst, nil }

func (noneSerde) Deserialize(string, []byte) (struct{}, error) { return struct{}{}, nil }
