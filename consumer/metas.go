package consumer

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"
)

// metas are the strings that are committed with a partition's offsets, by the offset of the record
// that they were made of.
type metas struct{ all []meta }

type meta struct {
	offset int64
	text   string
}

func (m *metas) add(recs []*kgo.Record, texts []string) {
	if n := len(m.all); n > 0 && recs[0].Offset <= m.all[n-1].offset { // delivered again
		i, _ := slices.BinarySearchFunc(m.all, recs[0].Offset, compareMeta)
		m.all = m.all[:i]
	}
	for i, r := range recs {
		m.all = append(m.all, meta{r.Offset, texts[i]})
	}
}

// before returns the string of the last record below an offset, and forgets those before it.
func (m *metas) before(offset int64) string {
	i, _ := slices.BinarySearchFunc(m.all, offset, compareMeta)
	if i == 0 {
		return ""
	}
	m.all = slices.Delete(m.all, 0, i-1)
	return m.all[0].text
}

func compareMeta(m meta, offset int64) int {
	switch {
	case m.offset < offset:
		return -1
	case m.offset > offset:
		return 1
	}
	return 0
}
