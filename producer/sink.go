package producer

import (
	"context"

	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/internal/blueprint"
	"github.com/vicuna-go/vicuna/internal/core"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// PlainSink writes records. A record of a tracked source is finished when it is acknowledged. The
// stream completes when every record is.
//
// Records must not be changed until then, and neither must bytes that their serdes lend
// (serde.Bytes, serde.String).
//
//   - Emits when: it is a sink.
//   - Back-pressures when: the client's window is full.
//   - Completes when: upstream completes and every record has been acknowledged.
//   - Fails when: a record is nil, cannot be serialised or fails, and [SkipFailed] was not given.
//   - Order: kept for each partition that is written to.
//   - Goroutines: none of its own beside the client's.
func PlainSink[K, V any](ps settings.Producer[K, V], opts ...Option) stream.Sink[*envelope.Record[K, V]] {
	o := optionsOf(opts)
	return stream.Sink[*envelope.Record[K, V]](blueprint.NewSink(func(b *core.Builder, at core.At) core.Stage[*envelope.Record[K, V]] {
		info := at.Island.AddStage(b.Name("plainSink"))
		cl, ok := open(b, ps.ProducerConfig, o)
		if !ok {
			return core.Stage[*envelope.Record[K, V]]{Link: &core.Link{}}
		}
		s := newPlainSink(b, at, info, ps, cl, o)
		return core.Stage[*envelope.Record[K, V]]{Push: s.push, Done: s.drain, Link: &core.Link{}}
	}))
}

type plainSink[K, V any] struct {
	*flight
	encode   *encoder[K, V]
	finisher *core.Finisher
}

func newPlainSink[K, V any](b *core.Builder, at core.At, info *core.StageInfo, ps settings.Producer[K, V], cl *Client, o options) *plainSink[K, V] {
	s := &plainSink[K, V]{flight: newFlight(b, at.Island, info, cl, o), encode: newEncoder(ps, cl), finisher: b.Run.NewFinisher()}
	b.Run.OnEnd(func(ctx context.Context) error { return s.finish(ctx, nil) })
	return s
}

func (s *plainSink[K, V]) push(rec *envelope.Record[K, V]) {
	s.isl.In(s.info)
	e := s.slabs.next()
	if err := s.encode.encode(rec, e); err != nil {
		s.slabs.unget()
		if s.skip {
			s.info.Skip()
			return
		}
		if rec == nil {
			err = nilRecord
		}
		s.isl.Fail(s.info, err)
		return
	}
	if !s.admit(1, e.bytes) {
		s.slabs.unget()
		return
	}
	e.owner, e.token = s, s.isl.Out()
	s.send(e)
}

func (s *plainSink[K, V]) outcome(e *entry, err error) {
	if err == nil || s.fault(e.token, err) {
		s.finisher.Done(e.token)
	} else {
		s.finisher.Abandon(e.token)
	}
	if s.ending.Load() {
		s.finisher.Flush()
	}
	s.slabs.back(e)
	s.landed()
}
