package broker

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// adminTimeout bounds one administrative request of a test.
const adminTimeout = 30 * time.Second

// Broker is a Kafka that answers.
type Broker struct {
	// Origin says in words where the broker comes from.
	Origin string
	// Addrs are its bootstrap addresses.
	Addrs []string
	// Node is the process of a broker that was started here, to be killed and started again by
	// tests; nil for one that was not.
	Node *Node
	// Tools is the distribution whose command-line tools read what was written; nil where there is
	// none.
	Tools *Distribution

	container bool // its client library keeps goroutines of its own
	stop      func() error
}

// Close stops what was started and removes its data. A broker that ran before is left alone.
func (b *Broker) Close() error {
	if b.stop == nil {
		return nil
	}
	return b.stop()
}

// Client gives a plain franz-go client on the broker, closed when the test ends.
func (b *Broker) Client(t testing.TB, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(b.Addrs...)}, opts...)...)
	require.NoError(t, err)
	t.Cleanup(cl.Close)
	return cl
}

// CreateTopic creates a topic with the broker's own replication factor, named for the test and
// unique on the broker, and deletes it when the test ends. Configs are pairs of name and value, for
// example "cleanup.policy", "compact".
func (b *Broker) CreateTopic(t testing.TB, partitions int32, configs ...string) string {
	t.Helper()
	require.Zero(t, len(configs)%2, "configs are pairs of name and value")
	topic := topicName(t.Name())
	set := make(map[string]*string, len(configs)/2)
	for i := 0; i < len(configs); i += 2 {
		set[configs[i]] = &configs[i+1]
	}
	ctx, cancel := context.WithTimeout(t.Context(), adminTimeout)
	defer cancel()
	adm := kadm.NewClient(b.Client(t))
	_, err := adm.CreateTopic(ctx, partitions, -1, set, topic)
	require.NoError(t, err, "create topic %s", topic)
	t.Cleanup(func() {
		// The test's own context has ended by now.
		ctx, cancel := context.WithTimeout(context.Background(), adminTimeout)
		defer cancel()
		if _, err := adm.DeleteTopic(ctx, topic); err != nil {
			t.Logf("delete topic %s: %v", topic, err)
		}
	})
	return topic
}

// topicName makes a legal topic name out of a test's name and something random, so that runs on a
// broker that stays do not meet.
func topicName(test string) string {
	legal := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-':
			return r
		}
		return '-'
	}, test)
	const longest = 200 // Kafka allows 249
	if len(legal) > longest {
		legal = legal[:longest]
	}
	var id [4]byte
	rand.Read(id[:])
	return legal + "-" + hex.EncodeToString(id[:])
}
