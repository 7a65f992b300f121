package committing_test

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/vicuna-go/vicuna/internal/committing"
	"github.com/vicuna-go/vicuna/internal/core"
	"github.com/vicuna-go/vicuna/settings"
)

// group is a fake that writes down what it is told.
type group struct {
	mu      sync.Mutex
	armed   []settings.Committer
	wakes   atomic.Int64
	flushes atomic.Int64
	over    atomic.Bool
	flush   func(ctx context.Context) error
}

func (g *group) Arm(cm settings.Committer) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.armed = append(g.armed, cm)
}

func (g *group) arms() []settings.Committer {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]settings.Committer(nil), g.armed...)
}

func (g *group) Wake() { g.wakes.Add(1) }

func (g *group) Flush(ctx context.Context) error {
	g.flushes.Add(1)
	if g.flush != nil {
		return g.flush(ctx)
	}
	return nil
}

func (g *group) Ended() bool { return g.over.Load() }

// offset is one of a group's.
type offset struct {
	of               *group
	run              *core.Run
	token            core.Token
	inside           bool // nothing was handed over
	commits, answers int
}

func (o *offset) Group() committing.Group { return o.of }
func (o *offset) Commit()                 { o.commits++ }
func (o *offset) HandedOver() bool        { return !o.inside }
func (o *offset) Answer()                 { o.answers++ }
func (o *offset) Token() (*core.Ledger, core.Token) {
	if o.run == nil {
		return nil, 0
	}
	return o.run.Ledger, o.token
}

// foreign is a Committable of the user's own.
type foreign struct{ commits int }

func (f *foreign) Commit() { f.commits++ }
