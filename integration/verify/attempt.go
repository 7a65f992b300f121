package verify

import (
	"crypto/rand"
	"encoding/hex"
)

// NewAttempt makes a name for one run of a worker, or one try of a transaction: 16 random bytes in
// hexadecimal digits.
func NewAttempt() string {
	var id [16]byte
	rand.Read(id[:])
	return hex.EncodeToString(id[:])
}
