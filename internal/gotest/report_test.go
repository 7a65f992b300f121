package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const events = `{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"=== RUN   TestA\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"said by A\n"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestB/sub","Output":"said by B\n"}
{"Action":"fail","Package":"p","Test":"TestB/sub"}
{"Action":"fail","Package":"p","Test":"TestB"}
{"Action":"output","Package":"p","Test":"TestC","Output":"=== RUN   TestC\n"}
{"Action":"output","Package":"p","Test":"TestC","Output":"    c_test.go:3: no server\n"}
{"Action":"output","Package":"p","Test":"TestC","Output":"--- SKIP: TestC (0.00s)\n"}
{"Action":"skip","Package":"p","Test":"TestC"}
{"Action":"output","Package":"p","Output":"-test.shuffle 42\n"}
{"Action":"fail","Package":"p"}
{"Action":"output","Package":"q","Output":"ok  \tq\t0.1s\n"}
{"Action":"pass","Package":"q"}
{"Action":"output","Package":"none","Output":"?   \tnone\t[no test files]\n"}
{"Action":"skip","Package":"none"}
`

func read(verbose bool, text string) (*report, string) {
	var out bytes.Buffer
	r := newReport(&out, verbose)
	for piece := range strings.SplitSeq(text, "P") { // in pieces that end anywhere
		_, _ = r.Write([]byte(piece))
		_, _ = r.Write([]byte("P"))
	}
	r.rest = bytes.TrimSuffix(r.rest, []byte("P"))
	r.close()
	return r, out.String()
}

func TestReportCounts(t *testing.T) {
	r, out := read(false, events)
	require.Equal(t, 1, r.passed)
	require.Equal(t, 1, r.skipped)
	require.Equal(t, []string{"p.TestB/sub", "p.TestB"}, r.failed, "a package with a failed test was counted as well")
	require.Contains(t, out, "said by B")
	require.NotContains(t, out, "said by A")
	require.Contains(t, out, "skip\tp.TestC: c_test.go:3: no server\n")
	require.Contains(t, out, "-test.shuffle 42", "the seed of a failed run is lost")
	require.Contains(t, out, "ok  \tq\t0.1s\n")
	require.NotContains(t, out, "no test files")
}

func TestReportVerbose(t *testing.T) {
	_, out := read(true, events)
	require.Equal(t, 1, strings.Count(out, "said by A"))
	require.Equal(t, 1, strings.Count(out, "said by B"))
	require.Equal(t, 1, strings.Count(out, "no server"))
}

func TestReportCountsWhatHasNoTest(t *testing.T) {
	r, out := read(false, `{"ImportPath":"p","Action":"build-output","Output":"p.go:1: undefined: x\n"}
{"ImportPath":"p","Action":"build-fail"}
{"Action":"output","Package":"p","Output":"FAIL\tp [build failed]\n"}
{"Action":"fail","Package":"p","FailedBuild":"p"}
{"Action":"output","Package":"q","Test":"TestHangs","Output":"the last that it said\n"}
{"Action":"fail","Package":"q"}
go: something is wrong`)
	require.Equal(t, []string{"p", "q"}, r.failed)
	require.Contains(t, out, "undefined: x")
	require.Contains(t, out, "the last that it said")
	require.Contains(t, out, "go: something is wrong")
}

func TestSummary(t *testing.T) {
	for _, c := range []struct {
		passed, failed int
		well           bool
	}{{3, 0, true}, {3, 1, false}, {0, 0, false}} {
		var out bytes.Buffer
		r := runner{out: &out, passed: c.passed, failed: c.failed, lines: []string{"a run"}}
		require.Equal(t, c.well, r.summary(), "%+v", c)
		require.Regexp(t, `\n\d passed, \d failed\n$`, out.String())
	}
}

// A module of its own, with one package that the tag changes, one that it does not, and one failure
// in each build: a benchmark in the first, a test in the second. All run twice.
func TestLibraryRunsBothBuilds(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":            "module m\n\ngo 1.26\n",
		"same/s.go":         "package same\n",
		"same/s_test.go":    "package same\n\nimport \"testing\"\n\nfunc TestSame(t *testing.T) {}\n",
		"bubble/b.go":       "package bubble\n",
		"bubble/b_test.go":  "package bubble\n\nimport \"testing\"\n\nfunc TestBoth(t *testing.T) {}\n",
		"bubble/t_test.go":  "//go:build synctests\n\npackage bubble\n\nimport \"testing\"\n\nfunc TestBubble(t *testing.T) { t.Fatal(\"in the bubble\") }\n",
		"same/m_test.go":    "package same\n\nimport \"testing\"\n\nfunc BenchmarkSame(b *testing.B) { b.Fatal(\"measuring\", b.N) }\n\nfunc BenchmarkOther(b *testing.B) {}\n",
		"bench/go.mod":      "module bench\n\ngo 1.26\n",
		"bench/b_test.go":   "package bench\n\nimport \"testing\"\n\nfunc TestEachScenarioOnce(t *testing.T) {}\n\nfunc TestOther(t *testing.T) { t.Fatal() }\n",
		"nested/go.mod":     "module nested\n\ngo 1.26\n",
		"nested/n.go":       "package nested\n\nvar x = undefined\n",
		"nested/deep/n.txt": "",
	} {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	t.Setenv("GOFLAGS", "") // whatever this run was given is not for that module
	t.Setenv("GOWORK", "off")
	t.Chdir(dir)
	var out bytes.Buffer
	r := runner{out: &out}
	require.NoError(t, r.library(false, repetition{count: 2}))
	require.False(t, r.summary())
	require.Contains(t, out.String(), "default build: 4 passed, 0 failed, 0 skipped", "each test twice, and no benchmark")
	require.Contains(t, out.String(), "benchmarks: 0 passed, 1 failed, 0 skipped", "go test does not tell those that passed")
	require.Contains(t, out.String(), "measuring 1")
	require.Contains(t, out.String(), "scenarios of bench: 1 passed, 0 failed, 0 skipped")
	require.Contains(t, out.String(), "synctests build: 2 passed, 2 failed, 0 skipped", "the tag's tests, or only they")
	require.Contains(t, out.String(), "FAIL m/bubble.TestBubble")
	require.Contains(t, out.String(), "in the bubble")
	require.Contains(t, out.String(), "FAIL go vet ./... in nested")
	require.True(t, strings.HasSuffix(out.String(), "\n7 passed, 4 failed\n"), out.String())
}
