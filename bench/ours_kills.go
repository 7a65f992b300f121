package main

import (
	"context"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/settings"
)

// oursKilled is P13.
func oursKilled(n int) *side {
	return &side{name: "CommittableSink, envelopes from a slab", n: n, run: killed(copierOurs)}
}

// oursUntilKilled is the process that is killed.
func oursUntilKilled(ctx context.Context, t *trial, count *counter) error {
	var got tally
	var slab envelope.Slab[[]byte, []byte, envelope.Committable]
	from := t.member(settings.SessionTimeout(sessionTimeout))
	ps := t.producerSettings().With(settings.ClientOptions(kgo.WithHooks(count)))
	return t.copying(from, ps, &got, slab.Single).Run(ctx)
}
