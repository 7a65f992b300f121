//go:build !invariants

package core

// invariants turns on checks that are too dear for production: go test -tags invariants.
const invariants = false
