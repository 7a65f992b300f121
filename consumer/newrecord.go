package consumer

import "github.com/twmb/franz-go/pkg/kgo"

// NewRecord returns a record of the client's with its key and value decoded, for what reads with a
// client of its own and for tests. It keeps rec, from which everything but key and value comes: no
// key there is no key (HasKey), and no value a tombstone, whatever they are decoded to.
func NewRecord[K, V any](rec *kgo.Record, key K, value V) *Record[K, V] {
	return &Record[K, V]{Key: key, Value: value, kgo: rec}
}
