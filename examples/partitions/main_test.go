package main

import (
	"bytes"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Each page has been counted whole, in one partition.
func TestPartitions(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), &out, 1000))
	require.Contains(t, out.String(), "1004 of 1004 offsets committed\n")
	pages := regexp.MustCompile(`page-\d:(\d+)`).FindAllStringSubmatch(out.String(), -1)
	require.Len(t, pages, 10, out.String())
	for _, page := range pages {
		visits, err := strconv.Atoi(page[1])
		require.NoError(t, err)
		require.Equal(t, 100, visits, page[0])
	}
}
