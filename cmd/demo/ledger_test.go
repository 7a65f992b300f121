package main

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLedger(t *testing.T) {
	var a, b ledger
	for n := range uint64(1000) {
		a.add(n+1, n)
		if n != 700 && n != 63 {
			b.add(n+1, n)
		}
	}
	n, first := a.without(&b)
	require.EqualValues(t, 2, n)
	require.EqualValues(t, 64, first)
	n, _ = b.without(&a)
	require.Zero(t, n)
	require.NotEqual(t, a.contents, b.contents)
	n, first = a.without(&ledger{})
	require.EqualValues(t, 1000, n)
	require.EqualValues(t, 1, first)
}

func TestGrouped(t *testing.T) {
	for n, text := range map[uint64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		require.Equal(t, text, grouped(n), fmt.Sprint(n))
	}
}
