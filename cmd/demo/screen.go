package main

import (
	"fmt"
	"io"
	"strconv"
	"sync"
)

// screen is where everybody writes: what is said stands in lines, progress in one line that is
// written again, or, where there is no terminal, in lines as well.
type screen struct {
	// Fixed when it is made; what is written to out is written under mu.
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

// grouped writes a number with a comma after each third digit.
func grouped(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
