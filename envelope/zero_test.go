package envelope_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/envelope"
)

// What was made by hand, in a test say, may be asked for all that it has.
func TestZeroValuesWork(t *testing.T) {
	require.Zero(t, new(envelope.Result[string, string, int]).Pass())
	require.NoError(t, new(envelope.Result[string, string, int]).Failed())
	require.Zero(t, new(envelope.MultiResult[string, string, int]).Pass())
	require.NoError(t, new(envelope.MultiResult[string, string, int]).Failed())
	require.Zero(t, new(envelope.PassThroughResult[string, string, int]).Pass())
	require.Zero(t, new(envelope.Message[string, string, int]).Pass())
	require.Zero(t, new(envelope.MultiMessage[string, string, int]).Pass())
	require.Zero(t, new(envelope.PassThroughMessage[string, string, int]).Pass())
	require.Equal(t, "unset", envelope.Partition{}.String())
	require.Equal(t, "unset", envelope.Optional[string]{}.String())
	require.NotNil(t, new(envelope.Slab[string, string, int]).Single(envelope.Record[string, string]{}, 0))
}
