package main

import (
	"context"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// P8: many goroutines, each of which sends one record and waits for its outcome.

const senders = 64

func elementSend() scenario {
	return scenario{id: "P8", title: "Element.Send from 64 goroutines, linger 0", cases: []*benchCase{{
		name: "100B", unit: perSecond, goal: goal{ratio: 0.95}, latency: true,
		load: func(kind string) load {
			l := standardLoad(kind, 100)
			l.linger = 0
			return l
		},
		sides: func(size sizing) sides {
			n := size.of(400_000)
			return sides{
				ours: oursElement(n),
				baselines: []side{
					{name: "Produce and wait for the promise", n: n, run: produceAndWait},
					{name: "ProduceSync", n: n, run: produceSync},
				},
			}
		},
	}}}
}

// fromSenders shares out the records of a trial to 64 goroutines and notes how
// long each call took. make is called once in each of them.
func fromSenders(t *trial, ps []payload, makeSend func() func(p *payload) error) error {
	errs := make(chan error, senders)
	var wg sync.WaitGroup
	for g := range senders {
		from, to := g*t.n/senders, (g+1)*t.n/senders
		wg.Go(func() {
			send := makeSend()
			for i := from; i < to; i++ {
				start := time.Now()
				if err := send(&ps[i%payloads]); err != nil {
					errs <- err
					return
				}
				t.latency[i] = time.Since(start)
			}
		})
	}
	wg.Wait()
	select {
	case err := <-errs:
		return err
	default:
		return nil
	}
}

// produceAndWait reuses each goroutine's record, promise and channel.
func produceAndWait(ctx context.Context, t *trial) error {
	ps := makePayloads(t.load)
	return t.withClient(func(cl *kgo.Client) error {
		return fromSenders(t, ps, func() func(p *payload) error {
			rec := new(kgo.Record)
			outcome := make(chan error, 1)
			promise := func(_ *kgo.Record, err error) { outcome <- err }
			return func(p *payload) error {
				*rec = kgo.Record{Topic: t.topic, Key: p.key, Value: p.value}
				cl.Produce(ctx, rec, promise)
				return <-outcome
			}
		})
	})
}

func produceSync(ctx context.Context, t *trial) error {
	ps := makePayloads(t.load)
	return t.withClient(func(cl *kgo.Client) error {
		return fromSenders(t, ps, func() func(p *payload) error {
			rec := new(kgo.Record)
			return func(p *payload) error {
				*rec = kgo.Record{Topic: t.topic, Key: p.key, Value: p.value}
				return cl.ProduceSync(ctx, rec).FirstErr()
			}
		})
	})
}
