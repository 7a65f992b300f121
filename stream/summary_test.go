package stream_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/internal/bubble"
	"github.com/vicuna-go/vicuna/stream"
)

// A summary adds up what a run and all runs inside it have done, also those that are over.
func TestSummary(t *testing.T) { bubble.Test(t, testSummary) }

func testSummary(t *testing.T) {
	subs := stream.Map(stream.FromSlice([]string{"a", "b", "c"}), func(key string) stream.Sub[string, int] {
		return stream.Sub[string, int]{Key: key, Source: stream.FromRange(0, 10)}
	})
	bad := errors.New("odd")
	ctl, err := stream.Each(subs, 1, func(_ string, s stream.Source[int]) stream.Graph {
		even := stream.TryMap(s, func(_ context.Context, n int) (int, error) {
			switch {
			case n == 0:
				<-time.After(time.Second)
			case n%2 == 1:
				return 0, bad
			}
			return n, nil
		}, stream.OnError(stream.Skip())).Named("even")
		return even.To(stream.Ignore[int]())
	}).Start(t.Context())
	require.NoError(t, err)
	<-ctl.Done()
	require.NoError(t, ctl.Err())
	s := ctl.Summary()
	require.EqualValues(t, 33, s.In, "the three, and ten of each")
	require.Zero(t, s.Written+s.Committed+s.GivenUp+s.GivenBack)
	require.Equal(t, 3*time.Second, s.Took.Round(time.Millisecond))
	<-time.After(time.Minute)
	require.Equal(t, s.Took, ctl.Summary().Took, "it is over")
	byName := map[string]stream.StageSummary{}
	for _, st := range s.Stages {
		byName[st.Name] = st
	}
	require.EqualValues(t, 30, byName["even"].In)
	require.EqualValues(t, 15, byName["even"].Skipped)
	require.Contains(t, s.String(), "in 33, written 0, committed 0, given back 0, given up 0, in ")
}
