package settings

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/vicuna-go/vicuna/serde"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// valid returns settings that are faultless but for opts.
func valid(opts ...ProducerOption) Producer[string, string] {
	return NewProducer(serde.String(), serde.String(), append([]ProducerOption{Bootstrap("localhost:9092")}, opts...)...)
}

// problems returns the parts of a joined error.
func problems(t *testing.T, err error) []*Problem {
	t.Helper()
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	require.True(t, ok, "%T does not join", err)
	var all []*Problem
	for _, e := range joined.Unwrap() {
		var p *Problem
		require.ErrorAs(t, e, &p, "%T is no *Problem", e)
		all = append(all, p)
	}
	return all
}

// problem returns the problem with a setting, which must be there.
func problem(t *testing.T, err error, setting string) *Problem {
	t.Helper()
	for _, p := range problems(t, err) {
		if p.Setting == setting {
			return p
		}
	}
	require.Failf(t, "no such problem", "%s is not among: %v", setting, err)
	return nil
}
