package reader

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/vicuna-go/vicuna/internal/feed"
	"github.com/vicuna-go/vicuna/internal/topics"
)

// whereabouts is where a record is.
type whereabouts struct {
	p      topics.Partition
	offset int64
	age    time.Duration
	stage  string // "" where it is not known: the record waits, for user code's Commit perhaps
	known  bool   // the stage is at work on the record itself, or tries it again
	failed int    // how often the stage has failed on it, of one that tries it again
	err    error  // and why it did last
}

// locate looks where a record is: in the stage that tries it again, or whose call for it runs
// now; else, as its place is not known, in one of those that have calls running and of the chains
// that have been at work on one chunk for half of its age.
func (s *watcher) locate(p topics.Partition, offset int64, age time.Duration) whereabouts {
	w := whereabouts{p: p, offset: offset, age: age}
	if w.stage, w.failed, w.err = s.run.AttemptOn(p.Topic, p.Partition, offset); w.stage == "" {
		w.stage = s.run.CallOn(p.Topic, p.Partition, offset)
	}
	if w.known = w.stage != ""; w.known {
		return w
	}
	at := append(s.run.Calling(), slices.Sorted(maps.Keys(s.run.Busy(age/2)))...)
	if len(at) == 0 {
		at = s.run.Holding() // a sink waits for acknowledgements, perhaps
	}
	w.stage = strings.Join(at, ", ")
	return w
}

// String is topic[partition]@offset in stage so-and-so for so long.
func (w whereabouts) String() string {
	text := fmt.Sprintf("%v@%d", w.p, w.offset)
	if w.stage != "" {
		text += " in stage " + w.stage
	}
	text += " for " + w.age.Round(time.Millisecond).String()
	if w.err != nil {
		text += fmt.Sprintf(", which has failed on it %d times and tries again: %v", w.failed, w.err)
	}
	return text
}

// unfinished says of each partition that was given up with records in flight how many those are,
// and where the first one is.
func (s *watcher) unfinished(ends []feed.End, begin time.Time) []string {
	var texts []string
	for _, e := range ends {
		if e.Outstanding == 0 {
			continue
		}
		text := fmt.Sprintf("%v: %d", e.Partition, e.Outstanding)
		if e.Undone >= 0 {
			text += ", " + s.locate(e.Partition, e.Undone, time.Since(begin)).String()
		}
		texts = append(texts, text)
	}
	slices.Sort(texts)
	return texts
}
