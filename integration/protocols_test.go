package integration

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/vicuna-go/vicuna/integration/worker"
)

// consumerGroupHeartbeat is the request without which a broker has no groups of KIP-848.
const consumerGroupHeartbeat = 68

// requireProtocol skips a test whose protocol the broker does not have: before Kafka 4 there are no
// groups of KIP-848.
func requireProtocol(t *testing.T, protocol worker.Protocol) {
	t.Helper()
	if protocol != worker.KIP848 {
		return
	}
	versions, err := kadm.NewClient(kafka.Client(t)).ApiVersions(t.Context())
	require.NoError(t, err)
	for _, v := range versions {
		if _, ok := v.KeyMaxVersion(consumerGroupHeartbeat); !ok {
			t.Skip("no groups of KIP-848 on " + kafka.Origin)
		}
	}
}
