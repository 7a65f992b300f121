package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// The program starts itself as a broker; here it is the test's binary.
	if as, ok := role(os.Args[1:]); ok {
		exit(as())
	}
	goleak.VerifyTestMain(m)
}

// embedded keeps a test away from a real broker that the environment names.
func embedded(t *testing.T) {
	t.Setenv("KAFKA_BOOTSTRAP_SERVERS", "")
	t.Setenv("KAFKA_HOME", "")
}

func quick(t *testing.T, only string, more ...string) (rows []map[string]any, table string) {
	t.Helper()
	embedded(t)
	path := filepath.Join(t.TempDir(), "results.json")
	var out, progress bytes.Buffer
	args := append([]string{"-quick", "-reps", "2", "-only", only, "-out", path}, more...)
	// a stream that does not end is drained
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	require.NoError(t, run(ctx, args, &out, &progress), "%s", &progress)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &rows), "%s", text)
	return rows, out.String()
}

func TestResultsHaveTheirFields(t *testing.T) {
	rows, table := quick(t, "P1,P9")

	var want []string
	for _, sc := range scenarios() {
		if sc.id != "P1" && sc.id != "P9" {
			continue
		}
		require.Contains(t, table, sc.title)
		for _, c := range sc.cases {
			require.Contains(t, table, c.name)
			if c.sides(sizing{quick: true}).ours != nil {
				want = append(want, sc.id+" "+c.name)
			}
		}
	}
	var got []string
	for _, r := range rows {
		got = append(got, fmt.Sprint(r["id"], " ", r["case"]))
		checkRow(t, r)
	}
	require.Equal(t, want, got)
}

func TestSendsHaveLatencies(t *testing.T) {
	rows, _ := quick(t, "P8")
	for _, r := range rows {
		checkRow(t, r)
		require.Positive(t, r["p50_ms"])
		require.GreaterOrEqual(t, r["p99_ms"], r["p50_ms"])
	}
}

func TestOtherScenariosRun(t *testing.T) {
	rows, _ := quick(t, "P2,P3", "-context=false")
	for _, r := range rows {
		checkRow(t, r)
	}
}

func TestConsumingScenariosRun(t *testing.T) {
	rows, table := quick(t, "P4,P5,P6,P11,P12")
	for _, want := range []string{"synthetic", "stored", "plain", "slab", "P11", "snappy-1KB", "PollFetches"} {
		require.Contains(t, table, want)
	}
	for _, r := range rows {
		checkRow(t, r)
		if r["id"] == "P11" {
			require.Positive(t, r["p50_ms"])
			require.GreaterOrEqual(t, r["p99_ms"], r["p50_ms"])
		}
	}
}

// A case for a real broker is left out on the embedded one, and that is no error.
func TestOtherBrokersCasesAreLeftOut(t *testing.T) {
	rows, table := quick(t, "P13")
	require.Empty(t, rows)
	require.NotContains(t, table, "P13")
}

func checkRow(t *testing.T, r map[string]any) {
	t.Helper()
	for _, field := range []string{"id", "case", "unit"} {
		require.NotEmpty(t, r[field], "%s of %v", field, r)
	}
	for _, field := range []string{"ours", "baseline", "ratio", "low", "high"} {
		require.IsType(t, float64(0), r[field], "%s of %v", field, r)
		require.Positive(t, r[field], "%s of %v", field, r)
	}
	require.GreaterOrEqual(t, r["noise"], float64(0))
	require.GreaterOrEqual(t, r["high"], r["low"])
	known := []string{
		"id", "case", "broker", "unit", "ours", "baseline", "ratio", "low", "high", "noise",
		"allocs_per_record", "bytes_per_record", "p50_ms", "p99_ms",
	}
	for field := range r {
		require.Contains(t, known, field)
	}
	if r["id"] == "P9" {
		require.NotContains(t, r, "broker")
	} else {
		require.Equal(t, kindEmbedded, r["broker"])
	}
	if r["id"] == "P11" || r["id"] == "P12" {
		require.NotContains(t, r, "allocs_per_record")
		return
	}
	require.Contains(t, r, "allocs_per_record")
	require.Contains(t, r, "bytes_per_record")
}

func TestProfilesAreWritten(t *testing.T) {
	dir := t.TempDir()
	quick(t, "P1", "-context=false", "-cpuprofile", dir, "-memprofile", dir)
	for _, name := range []string{"P1-100B-baseline.cpu.pprof", "P1-100B-baseline.mem.pprof", "P1-100B-baseline.before.mem.pprof"} {
		info, err := os.Stat(filepath.Join(dir, name))
		require.NoError(t, err)
		require.Positive(t, info.Size(), name)
	}
}

func TestBadArgumentsAreRefused(t *testing.T) {
	embedded(t)
	for _, args := range [][]string{
		{"-only", "P77"},
		{"-only", "P9/nosuch"},
		{"-reps", "0"},
		{"P1"},
		{"-nosuch"},
	} {
		var out, progress bytes.Buffer
		require.Error(t, run(t.Context(), args, &out, &progress), "%v", args)
	}
}
