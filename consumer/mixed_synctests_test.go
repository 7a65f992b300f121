//go:build synctests

package consumer_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// A member whose protocol is not that of its group is told which setting to change. The embedded
// broker lets classic members into a KIP-848 group, as Kafka may be configured to, so that refusal
// is a fault.
func TestMixedProtocolsNameTheSetting(t *testing.T) {
	for name, c := range map[string]struct {
		first, second settings.GroupProtocol
		fault         *kfake.Fault
	}{
		"KIP-848 into classic":   {settings.CooperativeSticky, settings.ConsumerProtocol, nil},
		"eager into cooperative": {settings.CooperativeSticky, settings.Eager, nil},
		"classic into KIP-848":   {settings.ConsumerProtocol, settings.CooperativeSticky, &kfake.Fault{Keys: []kmsg.Key{kmsg.JoinGroup}, Err: kerr.InconsistentGroupProtocol, Count: -1}},
		"brokers without it":     {settings.CooperativeSticky, settings.ConsumerProtocol, &kfake.Fault{Keys: []kmsg.Key{kmsg.ConsumerGroupHeartbeat}, Err: kerr.UnsupportedAssignor, Count: -1}},
	} {
		t.Run(name, func(t *testing.T) {
			grouptest.Calmly(t, 1, func(t *testing.T, w *grouptest.World) {
				member := func(p settings.GroupProtocol) *stream.Control {
					c := w.Consumer(settings.Protocol(p))
					return w.Start(c.PlainSource().To(stream.Ignore[*strRecord]()))
				}
				first := member(c.first)
				w.Pass(5 * time.Second)
				if c.fault != nil {
					w.Fault(*c.fault)
				}
				err := w.Outcome(member(c.second))
				var group *consumer.GroupError
				require.ErrorAs(t, err, &group)
				require.ErrorContains(t, err, "settings.Protocol")
				w.Drain(first)
			})
		})
	}
}
