package consumer

import (
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// troubles are what is told once when it begins and once when it is over, however often it is met
// in between. The key says what it is.
type troubles struct {
	any   atomic.Int32 // how many there are, for who asks often
	mu    sync.Mutex
	since map[string]time.Time
}

// begins reports whether this is new.
func (t *troubles) begins(key string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, on := t.since[key]; on {
		return false
	}
	if t.since == nil {
		t.since = map[string]time.Time{}
	}
	t.since[key] = time.Now()
	t.any.Add(1)
	return true
}

// over reports whether there was such a trouble, and for how long.
func (t *troubles) over(key string) (took time.Duration, was bool) {
	if t.any.Load() == 0 {
		return 0, false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	since, was := t.since[key]
	if was {
		delete(t.since, key)
		t.any.Add(-1)
	}
	return time.Since(since).Round(time.Millisecond), was
}

// named lists partitions for a log line: topic[0 1 2] and so on, of many the first.
func named(ps []TopicPartition) string {
	const most = 50
	var b strings.Builder
	topic := ""
	for i, p := range ps {
		switch {
		case i == most:
			b.WriteString("] and " + strconv.Itoa(len(ps)-most) + " more")
			return b.String()
		case i == 0 || p.Topic != topic:
			if i > 0 {
				b.WriteString("] ")
			}
			topic = p.Topic
			b.WriteString(topic + "[")
		default:
			b.WriteByte(' ')
		}
		b.WriteString(strconv.Itoa(int(p.Partition)))
	}
	if len(ps) > 0 {
		b.WriteByte(']')
	}
	return b.String()
}
