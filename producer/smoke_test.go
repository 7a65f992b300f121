package producer_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/producer"
	"github.com/vicuna-go/vicuna/serde"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

func TestSmoke(t *testing.T) {
	k := kafkatest.Start(t, kafkatest.Topics(4, "out"))
	ps := settings.NewProducer(serde.String(), serde.String(), k.Bootstrap(), k.Dialer())
	require.NoError(t, ps.Err())
	var recs []*envelope.Record[string, string]
	for i := range 5000 {
		recs = append(recs, envelope.New("out", fmt.Sprint(i), fmt.Sprint("v", i)))
	}
	require.NoError(t, stream.FromSlice(recs).To(producer.PlainSink(ps)).Run(t.Context()))
	require.Len(t, kafkatest.ReadAll(t, k, "out"), 5000)
	n := 0
	envs := stream.Map(stream.FromSlice(recs), func(r *envelope.Record[string, string]) envelope.Envelope[string, string, int] {
		n++
		switch n % 3 {
		case 0:
			return envelope.PassThrough[string, string](n)
		case 1:
			return envelope.Multi([]envelope.Record[string, string]{*r, *r}, n)
		}
		return envelope.Single(*r, n)
	})
	i := 0
	for res, err := range stream.Via(envs, producer.FlexiFlow[int](ps)).All(t.Context()) {
		require.NoError(t, err)
		i++
		require.Equal(t, i, res.Pass())
	}
	require.Equal(t, 5000, i)
	p, err := producer.NewElement(ps)
	require.NoError(t, err)
	md, err := p.Send(t.Context(), recs[0])
	require.NoError(t, err)
	t.Log(md)
	f, err := p.SendFuture(t.Context(), recs[0])
	require.NoError(t, err)
	_, err = f.Wait(context.Background())
	require.NoError(t, err)
	require.NoError(t, p.Close(t.Context()))
}
