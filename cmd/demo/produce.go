package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/producer"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

type (
	record  = envelope.Record[string, []byte]
	message = envelope.Envelope[string, []byte, uint64]
	result  = envelope.Results[string, []byte, uint64]
)

// headerLine is where a record says which line it is.
const headerLine = "line"

// closeTimeout bounds the waiting for outcomes behind a fault or the second Ctrl-C.
const closeTimeout = 3 * time.Second

// sent is what went into the stream, and what the flow said of it.
type sent struct {
	lines   ledger // every line, once
	results uint64
	places  checksum // of each line with the partition and offset in its result
	late    uint64   // results that came behind one of a later line
	last    uint64
}

// produce runs the stream: each line goes to both stages, which share the client.
func produce(drain, stop context.Context, out *screen, ps settings.Producer[string, []byte], client *producer.Client, t topics, in *input) (*sent, error) {
	var read atomic.Uint64
	s := &sent{}
	lines := stream.FromFunc(in.emit).Named("lines").Tap(func(l *line) {
		s.lines.add(l.number, contents(l.number, l.keyed, l.key, l.value))
		read.Add(1)
	})

	plain := stream.NewFlow(func(ls stream.Source[*line]) stream.Source[*record] {
		return stream.Map(ls, func(l *line) *record { return toRecord(t.plain, l) })
	}).To(producer.PlainSink(ps, producer.On(client)))

	flexi := stream.NewFlow(func(ls stream.Source[*line]) stream.Source[result] {
		envelopes := stream.Map(ls, func(l *line) message { return envelope.Single(*toRecord(t.flexi, l), l.number) })
		return stream.Via(envelopes, producer.FlexiFlow[uint64](ps, producer.On(client)))
	}).To(stream.ForEach(func(_ context.Context, res result) error { return s.take(res) }).Named("results"))

	ctl, err := lines.To(stream.Broadcast(plain, flexi)).Start(drain, stream.CloseTimeout(closeTimeout))
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(stop, ctl.Stop)()

	started := time.Now()
	showProgress(out, ctl.Done(), func() status {
		m := client.Metrics()
		return status{lines: read.Load(), acknowledged: m.Acknowledged, inFlight: m.InFlight, since: started}
	})
	err = ctl.Err()
	if drain.Err() == nil && err == nil {
		return s, nil
	}
	s.ended(out, err, client.Metrics())
	if bad, ok := errors.AsType[*lineError](err); ok {
		return nil, bad
	}
	if empty, ok := errors.AsType[*emptyError](err); ok {
		return nil, empty
	}
	if err == nil {
		err = context.Cause(drain)
	}
	return nil, err
}

// ended says what has become of the records where the stream was not left to itself.
func (s *sent) ended(out *screen, err error, m producer.Metrics) {
	how := "failed"
	switch {
	case err == nil, errors.Is(err, stream.ErrDrained):
		how = "drained"
	case errors.Is(err, stream.ErrStopped), errors.Is(err, stream.ErrDrainTimeout):
		how = "stopped"
	}
	told := fmt.Sprintf("%s: %s lines went in, %s of their %s records were acknowledged",
		how, grouped(s.lines.records), grouped(uint64(m.Acknowledged)), grouped(2*s.lines.records))
	if m.Failed > 0 {
		told += fmt.Sprintf(", %s failed", grouped(uint64(m.Failed)))
	}
	if m.InFlight > 0 {
		told += fmt.Sprintf(", %s have no outcome and may have been written", grouped(uint64(m.InFlight)))
	}
	out.say("%s; nothing was read back or verified", told)
}

// take looks at a result of the flow.
func (s *sent) take(res result) error {
	r, ok := res.(*envelope.Result[string, []byte, uint64])
	if !ok {
		return fmt.Errorf("the result of a single record is a %T", res)
	}
	if r.Pass() <= s.last {
		s.late++
	}
	s.last = r.Pass()
	s.results++
	s.places.add(place(r.Pass(), r.Metadata.Partition, r.Metadata.Offset))
	return nil
}

func toRecord(topic string, l *line) *record {
	rec := &record{Topic: topic, Value: l.value, Headers: []envelope.Header{{Key: headerLine, Value: strconv.AppendUint(nil, l.number, 10)}}}
	if l.keyed {
		rec.Key = envelope.Some(l.key)
	}
	return rec
}
