//go:build !amd64 || race

package core

import "sync/atomic"

// publish stores the bits of finished tokens where others read them.
func publish(word *atomic.Uint64, v uint64) { word.Store(v) }
