//go:build amd64 && !race

package core

import (
	"sync/atomic"
	"unsafe"
)

// publish stores the bits of finished tokens where others read them. It is the one store per tracked element, and sync/atomic's costs 6 ns, as it also waits until
// every earlier store is done: more than the rest of the accounting together. Nothing is published through this word but the word itself, nobody waits for
// it, and what surrounds it (the sequence lock) uses real atomics. So it is enough that a reader sees one of the values that were stored,
// soon, and not ahead of earlier ones: a plain store of a word, which Go's memory model promises to be whole, on a processor that keeps stores in order. The
// call of the next element's function keeps the compiler from putting it off.
func publish(word *atomic.Uint64, v uint64) { *(*uint64)(unsafe.Pointer(word)) = v }
