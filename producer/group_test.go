package producer_test

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/vicuna-go/vicuna/internal/committing"
	"github.com/vicuna-go/vicuna/internal/core"
	"github.com/vicuna-go/vicuna/settings"
)

// group plays a consumer's run for a committing sink: it writes down what it is told.
type group struct {
	now func() int64                    // what is committable
	end func(ctx context.Context) error // what Flush does; nil is nothing

	mu    sync.Mutex
	armed []settings.Committer
	wakes []int64 // what was committable
	ends  []int64
}

func (g *group) Arm(cm settings.Committer) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.armed = append(g.armed, cm)
}

func (g *group) committable() int64 {
	if g.now == nil {
		return 0
	}
	return g.now()
}

func (g *group) Wake() {
	n := g.committable()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.wakes = append(g.wakes, n)
}

func (g *group) Flush(ctx context.Context) error {
	n := g.committable()
	g.mu.Lock()
	g.ends = append(g.ends, n)
	g.mu.Unlock()
	if g.end != nil {
		return g.end(ctx)
	}
	return nil
}

// position is an offset of a group.
type position struct {
	g                 *group
	commits, answered atomic.Int64
}

func (p *position) Group() committing.Group           { return p.g }
func (p *position) Commit()                           { p.commits.Add(1) }
func (p *position) HandedOver() bool                  { return true }
func (p *position) Answer()                           { p.answered.Add(1) }
func (p *position) Token() (*core.Ledger, core.Token) { return nil, 0 }
