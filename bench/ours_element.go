package main

import (
	"context"
	"errors"

	"github.com/vicuna-go/vicuna/producer"
)

// oursElement is P8. Each goroutine uses one record again and again, as the
// baseline does.
func oursElement(n int) *side {
	return &side{name: "Element.Send", n: n, run: func(ctx context.Context, t *trial) error {
		recs := t.records()
		ps := makePayloads(t.load)
		return t.measure(func() error {
			el, err := producer.NewElement(t.producerSettings())
			if err != nil {
				return err
			}
			err = fromSenders(t, ps, func() func(p *payload) error {
				rec := recs[0]
				return func(p *payload) error {
					rec.Value = p.value
					_, err := el.Send(ctx, &rec)
					return err
				}
			})
			return errors.Join(err, el.Close(ctx))
		})
	}}
}
