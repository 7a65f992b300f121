package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// event is a line of `go test -json` (see `go doc test2json`).
type event struct {
	Action     string
	Package    string
	ImportPath string // of build-output, which knows no Package
	Test       string
	Output     string
}

// report reads events as they are written to it, prints what a person wants to see, and counts.
// What a test prints is kept until it ends and shown only if it failed, or, for a skipped one, the
// reason.
type report struct {
	out     io.Writer
	verbose bool

	passed, skipped int
	failed          []string // tests, and packages that failed with no test to blame

	rest   []byte                 // the beginning of a line whose end is still to come
	output map[[2]string][]string // by package and test; the package's own under an empty test
	blamed map[string]bool        // packages with a failed test
}

func newReport(out io.Writer, verbose bool) *report {
	return &report{out: out, verbose: verbose, output: map[[2]string][]string{}, blamed: map[string]bool{}}
}

// Write takes a piece of the output of go test; it never fails.
func (r *report) Write(p []byte) (int, error) {
	r.rest = append(r.rest, p...)
	for {
		line, rest, found := bytes.Cut(r.rest, []byte("\n"))
		if !found {
			return len(p), nil
		}
		r.line(line)
		r.rest = rest
	}
}

// close takes a last line without an end.
func (r *report) close() {
	if len(r.rest) > 0 {
		r.line(r.rest)
		r.rest = nil
	}
}

func (r *report) line(text []byte) {
	var e event
	if err := json.Unmarshal(text, &e); err != nil || e.Action == "" {
		fmt.Fprintf(r.out, "%s\n", text) // go test itself speaks
		return
	}
	key := [2]string{e.Package, e.Test}
	switch e.Action {
	case "build-output":
		fmt.Fprint(r.out, e.Output)
	case "output":
		if r.verbose {
			fmt.Fprint(r.out, e.Output)
		}
		r.output[key] = append(r.output[key], e.Output)
	case "pass", "fail", "skip":
		if e.Test == "" {
			r.packageEnded(e)
		} else {
			r.testEnded(e)
		}
		delete(r.output, key)
	}
}

func (r *report) testEnded(e event) {
	output := r.output[[2]string{e.Package, e.Test}]
	switch e.Action {
	case "pass":
		r.passed++
	case "fail":
		r.blamed[e.Package] = true
		r.failed = append(r.failed, e.Package+"."+e.Test)
		r.show(output)
	case "skip":
		r.skipped++
		if !r.verbose {
			fmt.Fprintf(r.out, "skip\t%s.%s: %s\n", e.Package, e.Test, reason(output))
		}
	}
}

func (r *report) packageEnded(e event) {
	output := r.output[[2]string{e.Package, ""}]
	if e.Action != "fail" {
		for _, line := range output {
			if strings.HasPrefix(line, "ok ") && !r.verbose {
				fmt.Fprint(r.out, line)
			}
		}
		return
	}
	// Tests that were running when the process ended have no end of their own; what they said is
	// the best clue.
	for key, unfinished := range r.output {
		if key[0] == e.Package && key[1] != "" {
			r.show(unfinished)
			delete(r.output, key)
		}
	}
	r.show(output)
	if !r.blamed[e.Package] {
		r.failed = append(r.failed, e.Package)
	}
}

// show prints what was held back; with verbose nothing was.
func (r *report) show(output []string) {
	if r.verbose {
		return
	}
	for _, line := range output {
		fmt.Fprint(r.out, line)
	}
}

// reason is what a skipped test said: its output without the lines that only name it.
func reason(output []string) string {
	var said []string
	for _, line := range output {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "=== ") && !strings.HasPrefix(line, "--- ") {
			said = append(said, line)
		}
	}
	return strings.Join(said, " ")
}
