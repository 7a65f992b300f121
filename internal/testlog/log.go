// Package testlog keeps what a test's subject logs, for the test to look at.
//
// It is for tests, and stands low: tests of any package may import it.
package testlog

import (
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vicuna-go/vicuna/settings"
)

// Log keeps what is logged at Info and above, as lines of text: level=WARN msg="…" key=value. The
// zero value is ready for use, by pointer; its methods are safe for concurrent use.
type Log struct {
	mu      sync.Mutex
	lines   []string
	changed chan struct{} // closed and made anew at each line; nil while nobody waits
}

// Logger returns a logger whose lines are kept.
func (l *Log) Logger() *slog.Logger { return slog.New(slog.NewTextHandler(writer{l}, nil)) }

// Option is the logger as a setting of producers and consumers.
func (l *Log) Option() settings.Option { return settings.Logger(l.Logger()) }

// Silent is a logger that nobody looks at, as a setting.
func Silent() settings.Option { return settings.Logger(slog.New(slog.DiscardHandler)) }

// writer is what the text handler writes to: a line at a time.
type writer struct{ l *Log }

func (w writer) Write(line []byte) (int, error) {
	w.l.mu.Lock()
	defer w.l.mu.Unlock()
	w.l.lines = append(w.l.lines, strings.TrimSuffix(string(line), "\n"))
	if w.l.changed != nil {
		close(w.l.changed)
		w.l.changed = nil
	}
	return len(line), nil
}

// String returns everything that was logged.
func (l *Log) String() string { return strings.Join(l.Lines(""), "\n") }

// Lines returns the lines that have a text in them, in order.
func (l *Log) Lines(text string) (found []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.with(text)
}

func (l *Log) with(text string) (found []string) {
	for _, line := range l.lines {
		if strings.Contains(line, text) {
			found = append(found, line)
		}
	}
	return found
}

// Count returns how often a text occurs.
func (l *Log) Count(text string) (n int) {
	for _, line := range l.Lines(text) {
		n += strings.Count(line, text)
	}
	return n
}

// patience is how long Await waits.
const patience = 20 * time.Second

// Await waits until a line has a text in it, and returns the first one. It fails the test after 20
// seconds, with what was logged instead.
func (l *Log) Await(t testing.TB, text string) string {
	t.Helper()
	late := time.After(patience)
	for {
		l.mu.Lock()
		found := l.with(text)
		if l.changed == nil {
			l.changed = make(chan struct{})
		}
		changed := l.changed
		l.mu.Unlock()
		if len(found) > 0 {
			return found[0]
		}
		select {
		case <-changed:
		case <-late:
			t.Fatalf("nothing with %q was logged in %v, but\n%s", text, patience, l)
		}
	}
}

// Tail returns the last n lines, for the report of a failed test.
func (l *Log) Tail(n int) string {
	lines := l.Lines("")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// First returns the first line that has a text in it; empty where there is none.
func (l *Log) First(text string) string {
	if found := l.Lines(text); len(found) > 0 {
		return found[0]
	}
	return ""
}
