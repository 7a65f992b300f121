//go:build synctests

package producer_test

import (
	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/internal/blueprint"
	"github.com/vicuna-go/vicuna/internal/core"
	"github.com/vicuna-go/vicuna/producer"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// often is committer settings whose interval never comes.
func often(batch int, opts ...settings.CommitterOption) settings.Committer {
	return settings.NewCommitter(append([]settings.CommitterOption{settings.MaxBatch(batch), settings.MaxInterval(1 << 40)}, opts...)...)
}

// committing sinks that take plain records, to be put where a PlainSink is.
func committableSink(ps settings.Producer[string, string], opts ...producer.Option) stream.Sink[*record] {
	return stream.NewFlow(func(src stream.Source[*record]) stream.Source[offsetEnv] {
		return stream.Map(src, func(r *record) offsetEnv { return envelope.Single[string, string, committable](*r, nil) })
	}).To(producer.CommittableSink(ps, settings.NewCommitter(), opts...))
}

func committableSinkWithOffsetContext(ps settings.Producer[string, string], opts ...producer.Option) stream.Sink[*record] {
	return stream.NewFlow(func(src stream.Source[*record]) stream.Source[offsetPair] {
		return stream.Map(src, func(r *record) offsetPair {
			return offsetPair{Value: envelope.Multi([]record{*r}, 0)}
		})
	}).To(producer.CommittableSinkWithOffsetContextOf[int](ps, settings.NewCommitter(), opts...))
}

// told is the number of settings it was armed with, and what was committable at each wake and each
// flush.
func (g *group) told() (armed int, wakes, ends []int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.armed), append([]int64(nil), g.wakes...), append([]int64(nil), g.ends...)
}

// of puts the group into the run of a stream, as its consumer would.
func of[T any](g *group, src stream.Source[T]) stream.Source[T] {
	return stream.Source[T](blueprint.Operator(blueprint.Source[T](src), "of", func(b *core.Builder, _ string, at core.At, next func(core.At) core.Stage[T]) core.Stage[T] {
		st := next(at)
		b.Run.AddGroup(g)
		return st
	}))
}
