package main

import (
	"fmt"
	"strings"
	"time"
)

// repetition is how often each test runs.
type repetition struct {
	count int
	cpu   string // numbers of processors, with commas; "" is as go test chooses
}

// times is how often a test runs in all.
func (a repetition) times() int { return max(1, a.count) * (1 + strings.Count(a.cpu, ",")) }

// timeout is the argument that bounds a package whose tests take no longer than once when they run
// once.
func (a repetition) timeout(once time.Duration) string {
	return fmt.Sprintf("-timeout=%v", time.Duration(a.times())*once)
}

// args are what go test is told; nothing where each test runs once.
func (a repetition) args() []string {
	var args []string
	if a.count > 1 {
		args = append(args, fmt.Sprintf("-count=%d", a.count))
	}
	if a.cpu != "" {
		args = append(args, "-cpu="+a.cpu)
	}
	return args
}
