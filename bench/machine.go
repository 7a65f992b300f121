package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// facts are what absolute figures depend on.
type facts struct {
	cpu    string
	cores  int
	procs  int
	golang string
	load   string  // of the machine before the run; empty where it is not told
	loop   float64 // ns an element of P9's plain loop
}

func machine() facts {
	return facts{
		cpu:    cpuName(),
		cores:  runtime.NumCPU(),
		procs:  runtime.GOMAXPROCS(0),
		golang: runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH,
		load:   loadAverage(),
		loop:   loopTime(),
	}
}

func (f facts) String() string {
	text := fmt.Sprintf("%s, %d cores (GOMAXPROCS %d), %s; plain loop of P9: %.2f ns an element\n",
		f.cpu, f.cores, f.procs, f.golang, f.loop)
	if f.load != "" {
		text += "load average before the run: " + f.load + " (what else runs here goes into every figure)\n"
	}
	return text
}

func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return ""
	}
	fields := strings.Fields(string(text))
	return strings.Join(fields[:min(3, len(fields))], " ")
}

// loopTime is the best of some short tries: it says how fast the machine can be.
func loopTime() float64 {
	in := ints(1 << 20)
	best := time.Duration(1 << 62)
	for range 10 {
		start := time.Now()
		for range 4 {
			consumed(intLoop(in))
		}
		best = min(best, time.Since(start))
	}
	return float64(best.Nanoseconds()) / float64(4*len(in))
}

func cpuName() string {
	file, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return "unknown CPU"
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if key, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown CPU"
}
