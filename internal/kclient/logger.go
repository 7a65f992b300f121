package kclient

import (
	"log/slog"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// repeatAfter is how long the client's message is not repeated.
const repeatAfter = 5 * time.Second

// logger hands franz-go's warnings and errors to a slog.Logger. Its other levels
// are left out: it tells of every flush and every new topic at Info, which in a
// busy program is a cost and no news. A message that comes again within five
// seconds, as each attempt to connect to a broker that is down makes one, is
// counted, and the count told with the next.
type logger struct {
	*slog.Logger // fixed when it is made

	refusals Refusals // nil where nobody wants to know

	mu   sync.Mutex
	last map[string]*told // by message, of which franz-go has a fixed set
}

type told struct {
	at      time.Time
	skipped int
}

func newLogger(l *slog.Logger) *logger { return &logger{Logger: l, last: map[string]*told{}} }

// Level is asked before each message, so it stays cheap: what is filtered out from
// there on is for the handler to say. A refused batch is told at Info.
func (l *logger) Level() kgo.LogLevel {
	if l.refusals != nil {
		return kgo.LogLevelInfo
	}
	return kgo.LogLevelWarn
}

// Log is called by the client, from any goroutine.
func (l *logger) Log(level kgo.LogLevel, msg string, keyvals ...any) {
	if level != kgo.LogLevelError && level != kgo.LogLevelWarn {
		if l.refusals != nil && msg == batchFailed {
			if topic, ok := refused(keyvals); ok {
				l.refusals.Refused(topic)
			}
		}
		return
	}
	skipped, repeated := l.repeats(msg)
	if repeated {
		return
	}
	if skipped > 0 {
		keyvals = append(keyvals[:len(keyvals):len(keyvals)], "not_repeated", skipped)
	}
	if level == kgo.LogLevelError {
		l.Error("franz-go: "+msg, keyvals...)
	} else {
		l.Warn("franz-go: "+msg, keyvals...)
	}
}

// repeats returns whether msg was told a moment ago, else how often it came since
// it was told.
func (l *logger) repeats(msg string) (skipped int, repeated bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.last[msg]
	if t == nil {
		t = &told{}
		l.last[msg] = t
	}
	now := time.Now()
	if now.Sub(t.at) < repeatAfter {
		t.skipped++
		return 0, true
	}
	skipped = t.skipped
	t.at, t.skipped = now, 0
	return skipped, false
}
