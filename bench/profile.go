package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"time"
)

// A profiler writes profiles of more runs of each side of a case, against a
// broker that is not in this process: only the client's work is in them.
type profiler struct{ cpuDir, memDir string }

// profileTime is how long the runs under a CPU profile take together: one of them
// would be some dozens of samples.
const profileTime = 3 * time.Second

func (p profiler) on() bool { return p.cpuDir != "" || p.memDir != "" }

func (p profiler) prepare() error {
	for _, dir := range []string{p.cpuDir, p.memDir} {
		if dir == "" {
			continue
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	return nil
}

// profiles runs ours and the best baseline once more under the profiler.
func (m *meter) profiles(ctx context.Context, sc scenario, c *benchCase, s sides, best int) error {
	p := m.config.profile
	if !p.on() {
		return nil
	}
	var b *broker
	if c.load != nil {
		var err error
		if b, err = m.brokers.apart(ctx, c.reads); err != nil {
			return err
		}
	}
	runs := map[string]*side{"baseline": &s.baselines[best], "ours": s.ours}
	for name, sd := range runs {
		if sd == nil {
			continue
		}
		base := fmt.Sprintf("%s-%s-%s", sc.id, c.name, name)
		once := func() error {
			_, err := m.once(ctx, c, b, *sd)
			return err
		}
		long := func() error { // enough samples
			for end := time.Now().Add(profileTime); ; {
				if err := once(); err != nil || m.config.quick || time.Now().After(end) {
					return err
				}
			}
		}
		if p.cpuDir != "" {
			m.say("%s %s: CPU profile, %s", sc.id, c.name, name)
			if err := cpuProfile(filepath.Join(p.cpuDir, base+".cpu.pprof"), long); err != nil {
				return err
			}
		}
		if p.memDir != "" {
			m.say("%s %s: allocation profile, %s", sc.id, c.name, name)
			if err := memProfile(filepath.Join(p.memDir, base), once); err != nil {
				return err
			}
		}
	}
	return nil
}

func cpuProfile(path string, f func() error) (err error) {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() {
		if e := file.Close(); err == nil {
			err = e
		}
	}()
	if err := pprof.StartCPUProfile(file); err != nil {
		return err
	}
	defer pprof.StopCPUProfile()
	return f()
}

// memProfile writes the process's allocations before and after f; the difference
// is f's: go tool pprof -sample_index=alloc_space -base X.before.mem.pprof
// X.mem.pprof.
func memProfile(base string, f func() error) error {
	rate := runtime.MemProfileRate
	runtime.MemProfileRate = 4096
	defer func() { runtime.MemProfileRate = rate }()
	if err := writeAllocations(base + ".before.mem.pprof"); err != nil {
		return err
	}
	if err := f(); err != nil {
		return err
	}
	return writeAllocations(base + ".mem.pprof")
}

func writeAllocations(path string) error {
	runtime.GC() // publishes what was allocated up to now
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := pprof.Lookup("allocs").WriteTo(file, 0); err != nil {
		return err
	}
	return file.Close()
}
