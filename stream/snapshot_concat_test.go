package stream_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/stream"
)

// A snapshot may be taken while Concat builds its next source; the race detector is the judge.
func TestSnapshotWhileConcatBuilds(t *testing.T) {
	sources := make([]stream.Source[int], 300)
	for i := range sources {
		sources[i] = stream.Merge(stream.FromFunc(func(_ context.Context, emit func(int) bool) error {
			emit(i)
			return nil
		}).Async())
	}
	ctl, err := stream.Concat(sources...).To(stream.Ignore[int]()).Start(t.Context())
	require.NoError(t, err)
	for over := false; !over; {
		select {
		case <-ctl.Done():
			over = true
		default:
			ctl.Snapshot()
		}
	}
	require.NoError(t, ctl.Err())
}
