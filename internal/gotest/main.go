// Command gotest is behind `make test`, `make race` and `make integration`: it runs `go test`,
// shows what failed and one line for each package, and ends with the line
//
//	N passed, N failed
//
// in which tests and subtests are counted, and, as one failure each, what failed with no test to
// blame (a package that does not compile, a process that ended).
//
// Without -C it tests the library in both builds. The second one has the build tag synctests, with
// which franz-go's locks let a testing/synctest bubble's clock go on; it runs the packages in which
// the tag changes a file, the others having been tested word for word by the first. Then it vets
// what only that build compiles, and the modules inside the repository, so that none of them rots
// unseen. With -race only tests and benchmarks run.
//
// Then each benchmark runs once, and so does each scenario of bench/: that they still work is known
// before somebody wants to measure with them.
//
// With -count or -cpu each test runs so many times, and with so many processors, as go test has it.
//
// With -C it makes one run in that folder with the arguments given.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// The tests of a package are to take no more than two minutes, and up to ten times that under the
// race detector; what takes longer than these hangs.
const (
	timeout     = 10 * time.Minute
	raceTimeout = 20 * time.Minute
)

const tag = "synctests"

// packagesAtOnce is how many packages are tested at the same time for each processor. Half of them
// do little but wait for a broker in real time, and one package after the other would add that up.
// Under the race detector, where all are busy, it is as many as go test itself takes.
const packagesAtOnce = 2

func main() {
	race := flag.Bool("race", false, "use the race detector")
	verbose := flag.Bool("v", false, "print the output of all tests")
	dir := flag.String("C", "", "run once in this folder, with the arguments given to go test")
	var again repetition
	flag.IntVar(&again.count, "count", 1, "run each test so many times")
	flag.StringVar(&again.cpu, "cpu", "", "run each test with each of these numbers of processors, as 1,8")
	flag.Parse()
	r := runner{out: os.Stdout, verbose: *verbose}
	var err error
	if *dir != "" {
		r.test("", *dir, flag.Args()...)
	} else {
		err = r.library(*race, again)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gotest:", err)
		r.failed++
	}
	if !r.summary() {
		os.Exit(1)
	}
}

// runner makes runs and adds up what they report.
type runner struct {
	out     io.Writer
	verbose bool

	passed, failed int
	lines          []string // one for each run, and the names of what failed in it
}

// once has go test run each benchmark with one iteration and no test. It is a run of its own, as
// with -bench go test takes one package after the other.
var once = []string{"-run=^$", "-bench=.", "-benchtime=1x"}

// smoke is the test of bench/ that runs each scenario once.
const smoke = "TestEachScenarioOnce"

// library tests the module in the working folder in both builds.
func (r *runner) library(race bool, again repetition) error {
	args := []string{again.timeout(timeout), "-shuffle=on", fmt.Sprintf("-p=%d", packagesAtOnce*runtime.GOMAXPROCS(0))}
	if race {
		args = []string{again.timeout(raceTimeout), "-shuffle=on", "-race"}
	}
	args = append(args, again.args()...)
	r.test("default build", ".", append(args, "./...")...)
	measured, err := withBenchmarks(".")
	if err != nil {
		return err
	}
	if len(measured) > 0 {
		r.test("benchmarks", ".", slices.Concat(args, once, measured)...)
	}
	changed, err := changedByTag(".")
	if err != nil {
		return err
	}
	if len(changed) > 0 {
		args = append(args, "-tags="+tag)
		r.test(tag+" build", ".", append(args, changed...)...)
	}
	if race {
		return nil
	}
	if _, err := os.Stat(filepath.Join("bench", "go.mod")); err == nil {
		r.test("scenarios of bench", "bench", again.timeout(timeout), "-run=^"+smoke+"$", ".")
	}
	r.vet(".", "-tags="+tag)
	modules, err := filepath.Glob("*/go.mod")
	for _, m := range modules {
		r.vet(filepath.Dir(m))
	}
	return err
}

// test makes one run of go test and counts it in.
func (r *runner) test(name, dir string, args ...string) {
	fmt.Fprintln(r.out, "go test", strings.Join(args, " "))
	start := time.Now()
	cmd := exec.Command("go", append([]string{"test", "-json"}, args...)...)
	cmd.Dir, cmd.Env = dir, environment(slices.Contains(args, "-tags="+tag))
	rep := newReport(r.out, r.verbose)
	// One writer for both: go test has its own errors on the second, and they belong between the
	// events.
	cmd.Stdout, cmd.Stderr = rep, rep
	err := cmd.Run()
	rep.close()
	if err != nil && len(rep.failed) == 0 {
		rep.failed = append(rep.failed, fmt.Sprintf("go test: %v", err))
	}
	r.passed += rep.passed
	r.failed += len(rep.failed)
	line := fmt.Sprintf("%d passed, %d failed, %d skipped in %.1fs", rep.passed, len(rep.failed), rep.skipped, time.Since(start).Seconds())
	if name != "" {
		line = name + ": " + line
	}
	r.lines = append(r.lines, line)
	for _, f := range rep.failed {
		r.lines = append(r.lines, "  FAIL "+f)
	}
}

// environment is that of the tests, less what the caller has set.
//
// They make little that lives and much garbage, beside brokers in their own process: collecting it
// less often saves a fifth of their processor time. In virtual time a package on two processors
// takes up to twice the processor time that it takes on one, as everything is handed from thread to
// thread; other packages use the other one. Where it matters that things happen at the same time,
// GOMAXPROCS is set, as .ci/run does.
func environment(virtual bool) []string {
	env := os.Environ()
	if os.Getenv("GOGC") == "" {
		env = append(env, "GOGC=400")
	}
	if virtual && os.Getenv("GOMAXPROCS") == "" {
		env = append(env, "GOMAXPROCS=1")
	}
	return env
}

// vet compiles and vets what no test of this run compiles.
func (r *runner) vet(dir string, flags ...string) {
	args := append(append([]string{"vet"}, flags...), "./...")
	fmt.Fprintf(r.out, "go %s (in %s)\n", strings.Join(args, " "), dir)
	cmd := exec.Command("go", args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, r.out, r.out
	if err := cmd.Run(); err != nil {
		r.failed++
		r.lines = append(r.lines, fmt.Sprintf("  FAIL go %s in %s: %v", strings.Join(args, " "), dir, err))
	}
}

// summary prints the end and says whether all is well. Nothing at all tested is not well.
func (r *runner) summary() bool {
	fmt.Fprintln(r.out)
	for _, l := range r.lines {
		fmt.Fprintln(r.out, l)
	}
	fmt.Fprintf(r.out, "%d passed, %d failed\n", r.passed, r.failed)
	return r.failed == 0 && r.passed > 0
}

// changedByTag lists the packages whose own files, tests included, are others with the tag.
func changedByTag(dir string) ([]string, error) {
	plain, err := listFiles(dir)
	if err != nil {
		return nil, err
	}
	tagged, err := listFiles(dir, "-tags="+tag)
	if err != nil {
		return nil, err
	}
	before := map[string]bool{}
	for _, p := range plain {
		before[p] = true
	}
	var changed []string
	for _, p := range tagged {
		if !before[p] {
			path, _, _ := strings.Cut(p, " ")
			changed = append(changed, path)
		}
	}
	return changed, nil
}

// withBenchmarks lists the packages whose tests hold a benchmark.
func withBenchmarks(dir string) ([]string, error) {
	packages, err := list(dir, "-f", "{{.ImportPath}}\t{{.Dir}}\t{{join .TestGoFiles \"\\t\"}}\t{{join .XTestGoFiles \"\\t\"}}", "./...")
	if err != nil {
		return nil, err
	}
	var with []string
	for _, p := range packages {
		fields := strings.Split(p, "\t")
		for _, file := range fields[2:] {
			if file == "" {
				continue
			}
			text, err := os.ReadFile(filepath.Join(fields[1], file))
			if err != nil {
				return nil, err
			}
			if bytes.Contains(text, []byte("\nfunc Benchmark")) {
				with = append(with, fields[0])
				break
			}
		}
	}
	return with, nil
}

// listFiles gives a line for each package: its import path and its files.
func listFiles(dir string, flags ...string) ([]string, error) {
	return list(dir, append(flags,
		"-f", "{{.ImportPath}} {{.GoFiles}} {{.CgoFiles}} {{.SFiles}} {{.TestGoFiles}} {{.XTestGoFiles}}", "./...")...)
}

// list gives the lines of go list.
func list(dir string, args ...string) ([]string, error) {
	cmd := exec.Command("go", append([]string{"list"}, args...)...)
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w: %s", err, exit.Stderr)
		}
		return nil, fmt.Errorf("go list: %w", err)
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n"), nil
}
