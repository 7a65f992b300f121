package blueprint

import (
	"errors"
	"fmt"

	"github.com/vicuna-go/vicuna/internal/core"
)

// ErrNoGraph says that a zero Graph was built. Package stream exports it.
var ErrNoGraph = errors.New("vicuna: the graph is empty: it has no source and no sink")

// Graph is a blueprint that can run: every source has its sink.
type Graph struct {
	build func(b *core.Builder)
}

// NewGraph makes a graph. What build starts may also be no stream: it runs beside the run's
// islands, or in child runs.
func NewGraph(build func(b *core.Builder)) Graph { return Graph{build: build} }

// Into builds the graph into a run, which is over if that fails: the error has all that is wrong. A
// function of the user's that panics while it composes a part is wrong too, and nothing that was
// opened before it stays open.
func (g Graph) Into(r *core.Run) error {
	b := &core.Builder{Run: r}
	returned := false
	defer func() {
		if !returned {
			_ = r.Discard(core.ErrGoexit)
		}
	}()
	if g.build == nil {
		b.Fail(ErrNoGraph)
	} else if err := core.Safely(func() error { g.build(b); return nil }); err != nil {
		b.Fail(fmt.Errorf("vicuna: the graph cannot be built: %w", err))
	} else {
		b.CheckCommitters()
	}
	returned = true
	if err := b.Err(); err != nil {
		return r.Discard(err)
	}
	return nil
}
