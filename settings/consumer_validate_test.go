package settings

import (
	"crypto/tls"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"
)

func TestConsumerRules(t *testing.T) {
	type rule struct {
		name    string
		opts    []ConsumerOption
		setting string // "": no problem
		java    string
		says    string
	}
	of := func(opts ...ConsumerOption) []ConsumerOption { return opts }
	for _, r := range []rule{
		{"faultless", of(), "", "", ""},
		{"nil option", of(nil), "options", "", "option 2 of 2 is nil"},
		{"empty client id", of(ClientID("")), "ClientID", "client.id", "empty"},
		{"nil dialer", of(Dialer(nil)), "Dialer", "", "nil"},
		{"nil TLS", of(TLS(nil)), "TLS", "security.protocol", "nil"},
		{"nil mechanism", of(SASL(nil)), "SASL", "sasl.mechanism", "is nil"},
		{"nil logger", of(Logger(nil)), "Logger", "", "nil"},
		{"nil factory", of(ClientFactory(nil)), "ClientFactory", "", "nil"},

		{"empty group", of(Group("")), "Group", "group.id", "must not be empty"},
		{"group", of(Group("billing")), "", "", ""},
		{"static member", of(Group("g"), InstanceID("Pod-1.a_b")), "", "", ""},
		{"static member of none", of(InstanceID("i")), "InstanceID", "group.instance.id", "Group (group.id) is missing"},
		{"empty instance id", of(Group("g"), InstanceID("")), "InstanceID", "group.instance.id", "must not be empty"},
		{"space in an instance id", of(Group("g"), InstanceID("a b")), "InstanceID", "group.instance.id", "letters, digits"},
		{"umlaut in an instance id", of(Group("g"), InstanceID("ä")), "InstanceID", "group.instance.id", "letters, digits"},
		{"instance id of a dot", of(Group("g"), InstanceID(".")), "InstanceID", "group.instance.id", "not allowed"},
		{"instance id of two dots", of(Group("g"), InstanceID("..")), "InstanceID", "group.instance.id", "not allowed"},
		{"instance id of three dots", of(Group("g"), InstanceID("...")), "", "", ""},
		{"longest instance id", of(Group("g"), InstanceID(strings.Repeat("x", 249))), "", "", ""},
		{"long instance id", of(Group("g"), InstanceID(strings.Repeat("x", 250))), "InstanceID", "group.instance.id", "250 bytes"},

		{"unknown protocol", of(Protocol(3)), "Protocol", "group.protocol", "none of CooperativeSticky"},
		{"negative protocol", of(Protocol(-1)), "Protocol", "group.protocol", "none of CooperativeSticky"},
		{"eager", of(Protocol(Eager)), "", "", ""},
		{"KIP-848", of(Protocol(ConsumerProtocol)), "", "", ""},
		{"unknown isolation", of(Isolation(2)), "Isolation", "isolation.level", "none of ReadUncommitted"},
		{"unknown start", of(StartFrom(2)), "StartFrom", "auto.offset.reset", "none of Earliest"},
		{"unknown out of range", of(OutOfRange(3)), "OutOfRange", "auto.offset.reset", "none of FailOutOfRange"},
		{"unknown undecodable", of(Undecodable(3)), "Undecodable", "", "none of FailUndecodable"},

		{"no bytes", of(Budget(0, 1)), "Budget", "", "math.MaxInt is for no limit by bytes"},
		{"negative bytes", of(Budget(-1, 1)), "Budget", "", "above 0"},
		{"no records", of(Budget(1, 0)), "Budget", "", "math.MaxInt is for no limit by records"},
		{"smallest budget", of(Budget(1, 1)), "", "", ""},
		{"no limit", of(Budget(math.MaxInt, math.MaxInt)), "", "", ""},
		{"track nothing", of(TrackLimit(0)), "TrackLimit", "", "from 1"},
		{"track one", of(TrackLimit(1)), "", "", ""},
		{"track too much", of(TrackLimit(1<<30 + 1)), "TrackLimit", "", "from 1"},
		{"fetch nothing", of(FetchMinBytes(0)), "FetchMinBytes", "fetch.min.bytes", "at least 1"},
		{"fetch all that fits", of(FetchMinBytes(16 << 20)), "", "", ""},
		{"fetch more than fits", of(FetchMinBytes(16<<20 + 1)), "FetchMinBytes", "fetch.min.bytes", "16777216 bytes, which follows from the Budget"},
		{"small reads", of(ClientOptions(kgo.BrokerMaxReadBytes(60<<20)), Budget(1<<30, 1)), "", "", ""},
		{"small reads for a small fetch", of(ClientOptions(kgo.BrokerMaxReadBytes(2<<20)), Budget(16<<20, 1)), "", "", ""},
		{"reads smaller than a fetch", of(ClientOptions(kgo.BrokerMaxReadBytes(2 << 20))), "kgo.BrokerMaxReadBytes", "", "16777216 bytes, which follows from the Budget"},

		{"short request", of(RequestTimeout(time.Millisecond)), "RequestTimeout", "request.timeout.ms", "from 100ms"},
		{"long request", of(RequestTimeout(16 * time.Minute)), "RequestTimeout", "request.timeout.ms", "15m"},
		{"short wait", of(FetchMaxWait(10*time.Millisecond - 1)), "FetchMaxWait", "fetch.max.wait.ms", "from 10ms"},
		{"shortest wait", of(FetchMaxWait(10 * time.Millisecond)), "", "", ""},
		{"long wait", of(FetchMaxWait(1000 * time.Hour)), "FetchMaxWait", "fetch.max.wait.ms", "576h"},
		{"no close time-out", of(CloseTimeout(0)), "CloseTimeout", "", "above 0"},
		{"no commit time-out", of(CommitTimeout(0)), "CommitTimeout", "default.api.timeout.ms", "above 0"},
		{"no handler warning", of(HandlerWarning(0)), "HandlerWarning", "", "above 0"},
		{"never stuck", of(StuckAfter(-1)), "StuckAfter", "", "above 0"},
		{"no time to start", of(StartTimeout(0)), "StartTimeout", "", "above 0"},

		{"short session", of(SessionTimeout(time.Millisecond)), "SessionTimeout", "session.timeout.ms", "from 100ms"},
		{"long session", of(SessionTimeout(1000 * time.Hour)), "SessionTimeout", "session.timeout.ms", "576h"},
		{"no heartbeat", of(HeartbeatInterval(0)), "HeartbeatInterval", "heartbeat.interval.ms", "from 1ms"},
		{"heartbeat at the session's end", of(HeartbeatInterval(45 * time.Second)), "HeartbeatInterval", "heartbeat.interval.ms", "must be below SessionTimeout (session.timeout.ms, 45s)"},
		{"heartbeat within a given session", of(SessionTimeout(6*time.Second), HeartbeatInterval(2*time.Second)), "", "", ""},

		{"short rebalance", of(RebalanceTimeout(time.Millisecond)), "RebalanceTimeout", "max.poll.interval.ms", "from 100ms"},
		{"no revoke", of(RevokeTimeout(0)), "RevokeTimeout", "", "above 0"},
		{"revoke at the rebalance's end", of(RevokeTimeout(time.Minute)), "RevokeTimeout", "", "must be below RebalanceTimeout (max.poll.interval.ms, 1m0s)"},
		{"revoke below it", of(RevokeTimeout(time.Minute - 1)), "", "", ""},
		{"revoke above a given rebalance", of(RevokeTimeout(20*time.Second), RebalanceTimeout(10*time.Second)), "RevokeTimeout", "", "below RebalanceTimeout"},

		{"twice, differing", of(Group("a"), Group("b")), "Group", "group.id", `given twice, as "a" and as "b"`},
		{"twice, the same", of(Group("a"), Group("a")), "", "", ""},
	} {
		t.Run(r.name, func(t *testing.T) {
			err := reading(r.opts...).Err()
			if r.setting == "" {
				require.NoError(t, err)
				return
			}
			require.Len(t, problems(t, err), 1, "one fault, one problem: %v", err)
			p := problem(t, err, r.setting)
			require.Equal(t, r.java, p.Java)
			require.Contains(t, p.Reason, r.says)
			require.Contains(t, err.Error(), "vicuna: settings: "+r.setting)
		})
	}
}

func TestAllProblemsOfAConsumerAreToldAtOnce(t *testing.T) {
	err := NewConsumer[string, string](nil, (*nilSerde)(nil),
		InstanceID(""), Protocol(9), StartFrom(9), Budget(0, 0), TrackLimit(0), FetchMaxWait(0), RevokeTimeout(0), SessionTimeout(0),
		CommitTimeout(0), ClientOptions(kgo.AutoCommitMarks()),
	).Err()
	for _, setting := range []string{
		"Bootstrap", "key serde", "value serde", "InstanceID", "Protocol", "StartFrom", "Budget", "TrackLimit", "FetchMaxWait",
		"RevokeTimeout", "SessionTimeout", "CommitTimeout", "kgo.AutoCommitMarks",
	} {
		problem(t, err, setting)
	}
	require.Len(t, problems(t, err), 15, "the budget and the instance id have two")
	require.Equal(t, "key.deserializer", problem(t, err, "key serde").Java)
	require.Equal(t, "value.deserializer", problem(t, err, "value serde").Java)
}

func TestConsumerWarnings(t *testing.T) {
	for name, c := range map[string]struct {
		opts []ConsumerOption
		says string
	}{
		"none":                      {nil, ""},
		"PLAIN in the clear":        {[]ConsumerOption{SASL(plain.Auth{User: "u", Pass: "p"}.AsMechanism())}, "SASL PLAIN without TLS"},
		"unverified TLS":            {[]ConsumerOption{TLS(&tls.Config{InsecureSkipVerify: true})}, "InsecureSkipVerify"},
		"rare heartbeats":           {[]ConsumerOption{HeartbeatInterval(16 * time.Second)}, "16s is above a third of the session time-out, 45s"},
		"heartbeats at a third":     {[]ConsumerOption{HeartbeatInterval(15 * time.Second)}, ""},
		"the broker's session":      {[]ConsumerOption{Protocol(ConsumerProtocol), SessionTimeout(time.Minute)}, "SessionTimeout is the broker's"},
		"the broker's heartbeat":    {[]ConsumerOption{Protocol(ConsumerProtocol), HeartbeatInterval(time.Second)}, "HeartbeatInterval is the broker's"},
		"a small budget":            {[]ConsumerOption{Budget(8<<20-1, 1)}, "may bring 1048576 from each broker"},
		"a budget of eight fetches": {[]ConsumerOption{Budget(8<<20, 1)}, ""},
		"a long revoke":             {[]ConsumerOption{RevokeTimeout(45 * time.Second)}, "45s, and the commit time-out, 15s, which together are not below"},
		"a revoke that fits":        {[]ConsumerOption{RevokeTimeout(45*time.Second - 1)}, ""},
		"a short rebalance":         {[]ConsumerOption{RebalanceTimeout(15 * time.Second)}, "the revoke time-out, 5s"},
		"a commit without end":      {[]ConsumerOption{CommitTimeout(math.MaxInt64)}, "not below the rebalance time-out"},
	} {
		t.Run(name, func(t *testing.T) {
			cs := reading(c.opts...)
			require.NoError(t, cs.Err())
			if c.says == "" {
				require.Empty(t, cs.Warnings())
				return
			}
			require.Len(t, cs.Warnings(), 1)
			require.Contains(t, cs.Warnings()[0], c.says)
		})
	}
}
