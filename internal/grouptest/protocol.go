package grouptest

import (
	"strconv"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/settings"
)

// Protocol is one of the ways in which a group divides its partitions.
type Protocol struct {
	Name string
	// Static members keep their partitions for a while when they have left.
	Static bool
	// Joins is whether the group waits for all members to join when it divides anew.
	Joins bool
	// Plain are the options with which a plain client is of the same kind.
	Plain []kgo.Opt

	member func(i int) []settings.ConsumerOption
}

// Member returns the settings of a member, by number: those of one number are one member.
func (p Protocol) Member(i int, more ...settings.ConsumerOption) []settings.ConsumerOption {
	return append(p.member(i), more...)
}

func always(opts ...settings.ConsumerOption) func(int) []settings.ConsumerOption {
	return func(int) []settings.ConsumerOption { return append([]settings.ConsumerOption(nil), opts...) }
}

var cooperative = kgo.Balancers(kgo.CooperativeStickyBalancer())

// Protocols are all of them.
var Protocols = []Protocol{
	{Name: "eager", Joins: true, Plain: []kgo.Opt{kgo.Balancers(kgo.StickyBalancer())}, member: always(settings.Protocol(settings.Eager))},
	{Name: "cooperative", Joins: true, Plain: []kgo.Opt{cooperative}, member: always()},
	{Name: "static", Joins: true, Static: true, Plain: []kgo.Opt{cooperative}, member: func(i int) []settings.ConsumerOption {
		return []settings.ConsumerOption{settings.InstanceID("member-" + strconv.Itoa(i))}
	}},
	{Name: "consumer protocol", Plain: []kgo.Opt{kgo.ServerSideBalancer(), cooperative}, member: always(settings.Protocol(settings.ConsumerProtocol))},
}

// Incremental are those in which members keep what stays theirs: not the eager one, which takes
// everything from all members and gives some of it back.
var Incremental = Protocols[1:]

// Each runs a test in each of the protocols, as [Run] does.
func Each(t *testing.T, protocols []Protocol, partitions int, fn func(t *testing.T, w *World, p Protocol), opts ...Option) {
	t.Helper()
	for _, p := range protocols {
		t.Run(p.Name, func(t *testing.T) {
			t.Helper()
			Run(t, partitions, func(t *testing.T, w *World) { t.Helper(); fn(t, w, p) }, opts...)
		})
	}
}
