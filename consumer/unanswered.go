package consumer

import (
	"fmt"
	"strings"
	"time"

	"github.com/vicuna-go/vicuna/internal/feed"
)

// A record that was handed over, to another graph or to the user, and that nobody has finished
// holds its partition's offset. No run can know why: a filter of the other graph has left it out,
// that graph has failed or is gone, Commit was forgotten. So it is told of by name, while it waits
// and when it is given up.

// warnUnanswered tells of a partition's first record that is not done, and reports whether it has:
// where the record has waited for so long, for nothing but that.
func (s *session[K, V, T]) warnUnanswered(p part, after time.Duration) bool {
	u, ok := p.assignment.Unanswered()
	if !ok || u.Age < after {
		return false
	}
	s.log.Warn("vicuna: a record stays undone: it was handed over, and no committing stage of another graph nor its Commit has finished it; nothing behind it can be committed",
		"topic", p.Topic, "partition", p.String(), "offset", u.Offset, "stage", strings.Join(u.Stages, ", "), "unanswered", u.Answers,
		"for", u.Age.Round(time.Millisecond), "outstanding", p.assignment.Outstanding())
	return true
}

// mostNamed is how many partitions are told of by name.
const mostNamed = 10

// warnNotFinished tells of partitions that are given up because of such records.
func (s *session[K, V, T]) warnNotFinished(ends []feed.End) {
	var names []string
	n := 0
	for _, e := range ends {
		u := e.Unanswered
		if u.Answers == 0 {
			continue
		}
		if n++; n <= mostNamed {
			names = append(names, fmt.Sprintf("%s@%d by %s, %d for %v", e.Partition, u.Offset, strings.Join(u.Stages, ", "), u.Answers,
				u.Age.Round(time.Millisecond)))
		}
	}
	if n > 0 {
		s.log.Warn("vicuna: records were handed over, nobody has finished them, and they will be delivered again", "partitions", n, "first", names)
	}
}
