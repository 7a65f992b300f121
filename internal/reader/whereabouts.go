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

// stageOf names what is at work on a record: the stage whose call for it runs now; else, as its
// place is not known, the stages that have calls running and the chains that have been at work on
// one chunk for longer than busy. "" where nothing is: it waits, for user code's Commit perhaps.
func (s *watcher) stageOf(p topics.Partition, offset int64, busy time.Duration) string {
	if name := s.run.CallOn(p.Topic, p.Partition, offset); name != "" {
		return name
	}
	at := append(s.run.Calling(), slices.Sorted(maps.Keys(s.run.Busy(busy)))...)
	if len(at) == 0 {
		at = s.run.Holding() // a sink waits for acknowledgements, perhaps
	}
	return strings.Join(at, ", ")
}

// whereabouts says where a record is: topic[partition]@offset in stage so-and-so for so long; and
// names the stage, "" where that is not known.
func (s *watcher) whereabouts(p topics.Partition, offset int64, age time.Duration) (text, stage string) {
	text = fmt.Sprintf("%v@%d", p, offset)
	if stage = s.stageOf(p, offset, age/2); stage != "" {
		text += " in stage " + stage
	}
	return text + " for " + age.Round(time.Millisecond).String(), stage
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
			where, _ := s.whereabouts(e.Partition, e.Undone, time.Since(begin))
			text += ", " + where
		}
		texts = append(texts, text)
	}
	slices.Sort(texts)
	return texts
}
