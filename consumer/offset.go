package consumer

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/internal/commit"
	"github.com/vicuna-go/vicuna/internal/committing"
	"github.com/vicuna-go/vicuna/internal/core"
	"github.com/vicuna-go/vicuna/internal/feed"
)

// delivery is what the places of one delivery have in common.
type delivery[K, V any] struct {
	assignment *feed.Assignment[*kgo.Record]
	group      *commit.Door
	messages   []CommittableMessage[K, V]
	first      uint64
}

// place is a message's Committable. It belongs to a position of an assignment: once that is over it
// does nothing.
type place[K, V any] struct {
	d *delivery[K, V]
	i int
}

var _ committing.Offset = (*place[string, string])(nil)

// Commit implements envelope.Committable.
func (p *place[K, V]) Commit() {
	if d := p.d; d != nil { // else it has ended, and is to be used again
		d.assignment.Commit(d.first + uint64(p.i))
		d.group.Called()
	}
}

// HandedOver implements committing.Offset.
func (p *place[K, V]) HandedOver() bool {
	d := p.d
	return d != nil && d.assignment.HandedOver()
}

// Token implements committing.Offset.
func (p *place[K, V]) Token() (*core.Ledger, core.Token) {
	if d := p.d; d != nil {
		return d.assignment.Token(d.first + uint64(p.i))
	}
	return nil, 0
}

// Answer implements committing.Offset.
func (p *place[K, V]) Answer() {
	if d := p.d; d != nil {
		d.assignment.Answer(d.first + uint64(p.i))
	}
}

// Group implements committing.Offset.
func (p *place[K, V]) Group() committing.Group {
	if d := p.d; d != nil {
		return d.group
	}
	return nil
}

// String names the record: topic[partition]@offset.
func (p *place[K, V]) String() string {
	if p.d == nil {
		return "recycled"
	}
	r := p.d.messages[p.i].kgo
	return fmt.Sprintf("%s[%d]@%d", r.Topic, r.Partition, r.Offset)
}
