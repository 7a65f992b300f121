package reader

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/internal/feed"
)

// texts are the strings that are committed with a partition's offsets, by the offset of the record
// that they were made of.
type texts struct{ all []text }

type text struct {
	offset int64
	text   string
}

// add adds those of records.
func (t *texts) add(recs []*kgo.Record, made []string) {
	if n := len(t.all); n > 0 && recs[0].Offset <= t.all[n-1].offset { // delivered again
		i, _ := slices.BinarySearchFunc(t.all, recs[0].Offset, compareText)
		t.all = t.all[:i]
	}
	for i, r := range recs {
		t.all = append(t.all, text{r.Offset, made[i]})
	}
}

// before returns the string of the last record below an offset, and forgets those before it.
func (t *texts) before(offset int64) string {
	i, _ := slices.BinarySearchFunc(t.all, offset, compareText)
	if i == 0 {
		return ""
	}
	t.all = slices.Delete(t.all, 0, i-1)
	return t.all[0].text
}

func compareText(t text, offset int64) int {
	switch {
	case t.offset < offset:
		return -1
	case t.offset > offset:
		return 1
	}
	return 0
}

// AddMetadata keeps the strings that are committed with the offsets of records, which the island of
// their assignment has in hand. text makes the i-th.
func (s *Session) AddMetadata(a *feed.Assignment[*kgo.Record], records []*kgo.Record, text func(i int) string) {
	recs, made := make([]*kgo.Record, 0, len(records)), make([]string, 0, len(records))
	for i, r := range records {
		if !r.Attrs.IsControl() { // the string of the record before it goes with a marker's offset
			recs, made = append(recs, r), append(made, text(i))
		}
	}
	if len(recs) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.parts.Get(a.Partition()); p != nil && p.Flow.assignment == a {
		if m, ok := a.Committable(); ok {
			p.Flow.texts.before(m.Offset) // forgets what is done, where nobody commits too
		}
		p.Flow.texts.add(recs, made)
	}
}
