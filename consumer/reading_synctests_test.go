//go:build synctests

package consumer_test

import (
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/settings"
)

// upTo are the offsets from one up to another.
func upTo(from, end int64) []int64 {
	var all []int64
	for ; from < end; from++ {
		all = append(all, from)
	}
	return all
}

// longLife and slowHeartbeats are for consumers that live for minutes: the client looks at its
// topics each 30 seconds instead of five minutes, so that a tenth of the time will do, and a
// heartbeat each second does not keep the test busy.
var (
	longLife       = []settings.ConsumerOption{settings.ClientOptions(kgo.MetadataMaxAge(30 * time.Second)), settings.HeartbeatInterval(time.Second)}
	slowHeartbeats = grouptest.Heartbeats(time.Second)
)
