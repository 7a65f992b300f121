package consumer_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/settings"
)

// groupKind is one of the ways in which a group divides its partitions.
type groupKind struct {
	name string
	opts func(member int) []settings.ConsumerOption
}

var groupKinds = []groupKind{
	{"eager", func(int) []settings.ConsumerOption {
		return []settings.ConsumerOption{settings.Protocol(settings.Eager)}
	}},
	{"cooperative", func(int) []settings.ConsumerOption { return nil }},
	{"static", func(i int) []settings.ConsumerOption {
		return []settings.ConsumerOption{settings.InstanceID("member-" + strconv.Itoa(i))}
	}},
	{"consumer protocol", func(int) []settings.ConsumerOption {
		return []settings.ConsumerOption{settings.Protocol(settings.ConsumerProtocol)}
	}},
}

// rollOn is virtual, or TCP.
type rollOn func(t *testing.T, fn func(t *testing.T, k *kafkatest.Broker), opts ...kafkatest.Option)

var quickBroker = kafkatest.BrokerConfig(map[string]string{"group.consumer.heartbeat.interval.ms": "100", "group.consumer.session.timeout.ms": "2000"})

func eachKind(t *testing.T, on rollOn, test func(t *testing.T, k *kafkatest.Broker, kind groupKind)) {
	for _, kind := range groupKinds {
		t.Run(kind.name, func(t *testing.T) {
			on(t, func(t *testing.T, k *kafkatest.Broker) { test(t, k, kind) }, quickBroker)
		})
	}
}

// Three members join one after the other, and each is restarted once by a drain, while records are
// written all the time and lie everywhere in the graph: nothing is lost, nothing doubled, nothing
// overtakes an earlier record of its key, and at no time is an offset committed before what it
// covers is written.
func rollingRestart(t *testing.T, k *kafkatest.Broker, kind groupKind, ordered bool) {
	r := newRoll(t, k)
	r.ordered = ordered
	r.write(10, 10*time.Millisecond)
	var members []*rollMember
	for i := range 3 {
		m := r.member(strconv.Itoa(i), kind.opts(i)...)
		m.start()
		members = append(members, m)
		r.settled(members...)
		r.progress()
	}
	for _, m := range members {
		m.drain()
		r.progressWithout(m)
		m.start()
		r.settled(members...)
		r.progress()
	}
	r.stopWriting()
	r.copied()
	for _, m := range members {
		m.drain()
	}
	v := r.judge()
	require.Zero(t, v.lost, v)
	require.Zero(t, v.doubled, v)
	require.Zero(t, v.early, v)
	require.Zero(t, v.backwards, v)
	if ordered {
		require.Zero(t, v.misordered, v)
	}
	for _, m := range members {
		require.Zero(t, m.dropped, m.name)
	}
}

// progressWithout waits until the others have taken over what a member had; a static one's
// partitions wait for it.
func (r *roll) progressWithout(m *rollMember) {
	if _, static := m.static(); !static {
		r.progress()
	}
}
