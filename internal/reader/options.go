package reader

import (
	"context"
	"log/slog"

	"github.com/vicuna-go/vicuna/internal/topics"
	"github.com/vicuna-go/vicuna/settings"
)

// Options are what sources, handles and users differ in.
type Options struct {
	// Name is the source's stage name.
	Name         string
	Settings     settings.ConsumerConfig
	Log          *slog.Logger
	Subscription Subscription
	// History is what the handle keeps from one run to the next.
	History *History
	// Claim takes the handle for this run, and reports false where it has another; Release gives it
	// back.
	Claim   func(*Session) bool
	Release func(*Session)

	// Plain: elements carry no Committable.
	Plain bool
	// NeedsGroup: there has to be a group.
	NeedsGroup bool
	// Commits: offsets are committed as records are finished.
	Commits bool
	// Ahead is at most once: so many records of a partition are committed before they are given
	// out.
	Ahead int
	// Metadata: strings are committed with the offsets; see [Session.AddMetadata].
	Metadata bool
	// Manual is where offsets are kept that the group does not keep; nil where it does.
	Manual *Manual
	// ElementBytes is what an element takes beside its record.
	ElementBytes int64
	// ToEnd reads to the ends that there are when the run starts.
	ToEnd bool
	// Recycle lets memory be used again.
	Recycle bool
	// Elsewhere is how often offsets are committed that code outside of the graph finishes; nil
	// where a stage of the graph has to commit.
	Elsewhere *settings.Committer

	Handler Handler
	// Events is told of each change of the assignment; nil is nobody.
	Events func(kind Change, ps []topics.Partition)
}

// Manual is where offsets are kept that the group does not keep.
type Manual struct {
	// Load tells where partitions begin.
	Load func(ctx context.Context, ps []topics.Partition) (map[topics.Partition]int64, error)
	// Revoked is told of partitions that are gone; nil is nobody.
	Revoked func([]topics.Partition)
}

// keepsOffsets reports whether this source commits.
func (o *Options) keepsOffsets() bool { return o.Commits || o.Ahead > 0 }

// recycles reports whether memory is used again. At most once, deliveries share what they were
// fetched with.
func (o *Options) recycles() bool { return o.Recycle && o.Ahead == 0 }
