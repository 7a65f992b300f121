package kafkatest

import (
	"sync/atomic"

	"github.com/vicuna-go/vicuna/envelope"
)

// FakeCommittable is an [envelope.Committable] that counts its commits, for
// pipelines that are tested without a consumer. The zero value is ready for use,
// by pointer; it is safe for concurrent use.
type FakeCommittable struct {
	commits atomic.Int64 // added to by Commit, on any goroutine
}

var _ envelope.Committable = (*FakeCommittable)(nil)

// Commit counts.
func (c *FakeCommittable) Commit() { c.commits.Add(1) }

// Commits returns how often Commit was called.
func (c *FakeCommittable) Commits() int { return int(c.commits.Load()) }
