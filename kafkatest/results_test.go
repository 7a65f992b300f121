package kafkatest_test

import (
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/kafkatest"
)

func TestResultFactories(t *testing.T) {
	boom := errors.New("boom")
	rec := *envelope.New("t", "k", 1)
	placed := rec
	placed.Partition = envelope.ToPartition(2)

	one := kafkatest.NewResult(placed, 7, "p")
	require.NoError(t, one.Failed())
	require.Equal(t, placed, *one.Record)
	require.EqualValues(t, 2, one.Metadata.Partition)
	require.EqualValues(t, 7, one.Metadata.Offset)
	require.False(t, one.Metadata.Timestamp.IsZero())

	failed := kafkatest.NewFailedResult(rec, boom, "p")
	require.ErrorIs(t, failed.Failed(), boom)

	recs := []envelope.Record[string, int]{rec, placed}
	multi := kafkatest.NewMultiResult([]envelope.Part[string, int]{
		kafkatest.NewPart(&recs[0], 1),
		kafkatest.NewFailedPart(&recs[1], boom),
	}, "p")
	require.ErrorIs(t, multi.Failed(), boom)
	require.NoError(t, kafkatest.NewMultiResult([]envelope.Part[string, int]{kafkatest.NewPart(&recs[0], 1)}, "p").Failed())
	require.NoError(t, kafkatest.NewMultiResult[string, int](nil, "p").Failed())

	for _, r := range []envelope.Results[string, int, string]{one, failed, multi, kafkatest.NewPassThroughResult[string, int]("p")} {
		require.Equal(t, "p", r.Pass())
	}
}

func TestFakeCommittableCounts(t *testing.T) {
	var c kafkatest.FakeCommittable
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			var off envelope.Committable = &c
			off.Commit()
		})
	}
	wg.Wait()
	require.Equal(t, 8, c.Commits())
}
