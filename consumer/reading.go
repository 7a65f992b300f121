package consumer

import (
	"log/slog"
	"sync"

	"github.com/vicuna-go/vicuna/internal/blueprint"
	"github.com/vicuna-go/vicuna/internal/core"
	"github.com/vicuna-go/vicuna/internal/reader"
	"github.com/vicuna-go/vicuna/serde"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// reading is a run of a source: the session, which works on the client's records, and the types
// before it. Elements are made of records when their turn has come (arrive.go).
type reading[K, V, T any] struct {
	*reader.Session
	c     *Consumer[K, V]
	key   serde.Deserializer[K]
	value serde.Deserializer[V]
	shape shape[K, V, T]
	log   *slog.Logger
	// blocks is of elements, where they are used again; apart, as elements that are kept keep it.
	blocks *sync.Pool
}

// read makes the run of a source while its graph is built; nil where something is wrong.
func read[K, V, T any](b *core.Builder, c *Consumer[K, V], sh shape[K, V, T], name string) *reading[K, V, T] {
	r := &reading[K, V, T]{
		c: c, key: c.cs.KeySerde(), value: c.cs.ValueSerde(), shape: sh, log: c.cs.Logger(), blocks: &sync.Pool{},
	}
	cfg := c.cs.ConsumerConfig
	problems := []error{cfg.Err(), c.sub.check(), sh.err}
	o := reader.Options{
		Name: name, Settings: cfg, Log: r.log, Subscription: c.sub.s, History: &c.history, Claim: c.claim, Release: c.release,
		Plain: sh.plain, NeedsGroup: sh.needsGroup, Commits: sh.commits, Ahead: sh.ahead, Metadata: sh.metadata != nil, Manual: sh.manual,
		ElementBytes: sh.size, ToEnd: c.opts.toEnd, Recycle: c.opts.recycle, Handler: c.opts.handler.functions(),
	}
	if sh.commits && c.opts.elsewhere {
		problems = append(problems, c.opts.committer.Err())
		o.Elsewhere = &c.opts.committer
	}
	if f := c.opts.events; f != nil {
		o.Events = func(kind reader.Change, ps []TopicPartition) { f(Event{Kind: EventKind(kind), Partitions: ps}) }
	}
	if r.Session = reader.New(b, o, problems...); r.Session == nil {
		return nil
	}
	return r
}

// single is a source of all partitions.
func single[K, V, T any](c *Consumer[K, V], sh shape[K, V, T]) stream.Source[T] {
	return stream.Source[T](blueprint.NewSource(func(b *core.Builder, next func(core.At) core.Stage[T]) {
		name := b.Name(sh.kind)
		isl := b.Run.NewIsland()
		st := next(core.At{Island: isl})
		sh.needsCommitter(b, c.cs.ConsumerConfig, c.opts, name)
		r := read(b, c, sh, name)
		if r == nil {
			return
		}
		info := isl.AddSource(name)
		r.CountOn(info)
		l := r.NewLane(isl, info)
		r.Single(l)
		core.Drive[T](isl, r.arriving(l), r.checked(l, st))
	}))
}

// needsCommitter says that the source commits nothing without a committing stage, where that is so.
func (sh shape[K, V, T]) needsCommitter(b *core.Builder, cfg settings.ConsumerConfig, o options, name string) {
	if sh.commits && !o.elsewhere {
		b.Run.NeedCommitter(&NoCommitterError{Source: name, Group: cfg.Group()})
	}
}

// arriving is the intake of a lane.
func (r *reading[K, V, T]) arriving(l *reader.Lane) core.Intake[T] {
	return &arriving[K, V, T]{Intake: l.Intake(), r: r, l: l}
}

// checked looks at what could not be decoded when its turn has come.
func (r *reading[K, V, T]) checked(l *reader.Lane, st core.Stage[T]) core.Stage[T] {
	push := st.Push
	st.Push = func(v T) {
		if l.Suspect.Load() { // some record of this lane is not as it should be; perhaps this one
			if !r.sound(l, v) {
				return
			}
		}
		push(v)
	}
	return st
}

// sound reports whether the element is to be given out.
func (r *reading[K, V, T]) sound(l *reader.Lane, v T) bool {
	f, undecodable := r.shape.record(v).failure, r.c.cs.Undecodable()
	switch {
	case f == nil:
		return true
	case f.control:
		return false
	case f.undecodable && undecodable == settings.DeliverUndecodable:
		return true
	}
	isl, info := l.Island(), l.Stage()
	isl.In(info)
	if f.undecodable && undecodable == settings.SkipUndecodable {
		info.Skip()
		r.log.Warn("vicuna: a record that cannot be decoded is skipped", "error", f.err)
		return false
	}
	isl.Fail(info, f.err)
	return false
}
