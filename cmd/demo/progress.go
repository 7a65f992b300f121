package main

import (
	"fmt"
	"io"
	"strconv"
	"sync"
	"time"
)

// screen is where everybody writes: what is said stands in lines, progress in one line that is written again, or, where there is no terminal, in lines as well.
type screen struct {
	out      io.Writer
	terminal bool

	mu   sync.Mutex
	open bool // a line of progress stands, without its end
}

func (s *screen) say(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.finish()
	fmt.Fprintf(s.out, format+"\n", args...)
}

func (s *screen) progress(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.terminal {
		fmt.Fprintln(s.out, text)
		return
	}
	s.open = true
	fmt.Fprint(s.out, "\r", text, "\x1b[K") // to the line's beginning; what is behind the text goes
}

// end puts the end to a line of progress that stands.
func (s *screen) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.finish()
}

func (s *screen) finish() {
	if s.open {
		s.open = false
		fmt.Fprintln(s.out)
	}
}

// status is a picture of the stream.
type status struct {
	lines                  uint64
	acknowledged, inFlight int64
	since                  time.Time
}

// showProgress shows how far things are until done is closed, and once more then.
func showProgress(out *screen, done <-chan struct{}, now func() status) {
	every := time.Second
	if out.terminal {
		every = 100 * time.Millisecond
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	before, at := int64(0), time.Now()
	for {
		select {
		case <-ticker.C:
			s, t := now(), time.Now()
			out.progress(s.text(rate(s.acknowledged-before, t.Sub(at))))
			if t.Sub(at) >= time.Second {
				before, at = s.acknowledged, t
			}
		case <-done:
			s := now()
			out.progress(s.text(rate(s.acknowledged, time.Since(s.since))) + " on average")
			return
		}
	}
}

func rate(n int64, in time.Duration) uint64 {
	return uint64(float64(max(n, 0)) / max(in, time.Microsecond).Seconds())
}

func (s status) text(perSecond uint64) string {
	return fmt.Sprintf("%s lines read, %s records acknowledged, %s in flight, %s records/s",
		grouped(s.lines), grouped(uint64(s.acknowledged)), grouped(uint64(max(s.inFlight, 0))), grouped(perSecond))
}

// grouped writes a number with a comma behind each third digit.
func grouped(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
