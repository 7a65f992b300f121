package kclient

import (
	"fmt"
	"reflect"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/settings"
)

// ordered are the options of a consuming client that a factory must leave as they
// are, and what they are called in the settings.
var ordered = []struct{ option, setting, java string }{
	{"SeedBrokers", "Bootstrap", "bootstrap.servers"},
	{"ClientID", "ClientID", "client.id"},
	{"RequestTimeoutOverhead", "RequestTimeout", "request.timeout.ms"},
	{"FetchIsolationLevel", "Isolation", "isolation.level"},
	{"ConsumeStartOffset", "StartFrom", "auto.offset.reset"},
	{"ConsumeResetOffset", "OutOfRange", "auto.offset.reset"},
	{"FetchMaxWait", "FetchMaxWait", "fetch.max.wait.ms"},
	{"FetchMinBytes", "FetchMinBytes", "fetch.min.bytes"},
	{"FetchMaxBytes", "Budget", ""},
	{"ConsumerGroup", "Group", "group.id"},
	{"InstanceID", "InstanceID", "group.instance.id"},
	{"Balancers", "Protocol", "group.protocol"},
	{"ServerSideBalancer", "Protocol", "group.protocol"},
	{"SessionTimeout", "SessionTimeout", "session.timeout.ms"},
	{"RebalanceTimeout", "RebalanceTimeout", "max.poll.interval.ms"},
	{"HeartbeatInterval", "HeartbeatInterval", "heartbeat.interval.ms"},

	{"ConsumeTopics", "kgo.ConsumeTopics", ""},
	{"ConsumePartitions", "kgo.ConsumePartitions", ""},
	{"ConsumeRegex", "kgo.ConsumeRegex", ""},
	{"ConsumeExcludeTopics", "kgo.ConsumeExcludeTopics", ""},
	{"DisableAutoCommit", "kgo.DisableAutoCommit", ""},
	{"BlockRebalanceOnPoll", "kgo.BlockRebalanceOnPoll", ""},
	{"OnPartitionsAssigned", "kgo.OnPartitionsAssigned", ""},
	{"OnPartitionsRevoked", "kgo.OnPartitionsRevoked", ""},
	{"OnPartitionsLost", "kgo.OnPartitionsLost", ""},
	{"OnPartitionsCallbackBlocked", "kgo.OnPartitionsCallbackBlocked", ""},
	{"OnOffsetsFetched", "kgo.OnOffsetsFetched", ""},
	{"AdjustFetchOffsetsFn", "kgo.AdjustFetchOffsetsFn", ""},
	{"GroupProtocol", "kgo.GroupProtocol", ""},
	{"ShareGroup", "kgo.ShareGroup", ""},
	{"TransactionalID", "kgo.TransactionalID", ""},
	{"KeepControlRecords", "kgo.KeepControlRecords", ""},
	{"KeepRetryableFetchErrors", "kgo.KeepRetryableFetchErrors", ""},
	{"WithPools", "kgo.WithPools", ""},
}

// values are what a client is set to, by the name of the option.
type values map[string]any

// look is a hook that reads the values of clients that are made with it. It has to
// be then: as soon as a client runs, it has put wrappers in the place of callbacks.
type look struct {
	mu   sync.Mutex
	made map[*kgo.Client]values
}

func (l *look) OnNewClient(cl *kgo.Client) {
	v := values{}
	for _, o := range ordered {
		v[o.option] = cl.OptValue(o.option)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.made[cl] = v
}

// take returns what was read of a client, nil where it was not made with the hook,
// and forgets all.
func (l *look) take(cl *kgo.Client) values {
	l.mu.Lock()
	defer l.mu.Unlock()
	v := l.made[cl]
	l.made = nil
	return v
}

// stillborn is a hook that reads the values and ends the making of the client with a
// panic, before there is a goroutine or another hook was called; see the probe in
// package settings.
type stillborn struct{ look }

func (s *stillborn) OnNewClient(cl *kgo.Client) {
	s.look.OnNewClient(cl)
	panic(s)
}

// order returns what a client made of opts is set to.
func order(opts []kgo.Opt) (v values, err error) {
	s := &stillborn{look{made: map[*kgo.Client]values{}}}
	defer func() {
		switch r := recover(); r {
		case nil:
		case any(s):
			for _, v = range s.made {
			}
		default:
			panic(r)
		}
	}()
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.WithHooks(s)}, opts...)...)
	if err == nil {
		cl.Close() // the hook was not called; cannot be
	}
	return nil, err
}

// checkConsumer compares a factory's client with what was ordered.
func checkConsumer(is, want values) error {
	if is == nil {
		return clientError([]*settings.Problem{{
			Setting: "kgo.WithHooks", Reason: "lacks the library's hooks: the client was not made of the options that this call was given",
		}})
	}
	var problems []*settings.Problem
	for _, o := range ordered {
		if alike(is[o.option], want[o.option]) {
			continue
		}
		problems = append(problems, &settings.Problem{
			Setting: o.setting, Java: o.java, Value: shown(want[o.option]),
			Reason: "the client has " + orElse(shown(is[o.option]), "another one"),
		})
	}
	return clientError(problems)
}

// alike compares values; functions by their code, which is as far as one can see
// from outside.
func alike(a, b any) bool {
	x, y := reflect.ValueOf(a), reflect.ValueOf(b)
	if x.IsValid() && y.IsValid() && x.Kind() == reflect.Func && x.Type() == y.Type() {
		return x.Pointer() == y.Pointer()
	}
	return reflect.DeepEqual(a, b)
}

// shown returns a plain value in words, "" for others.
func shown(v any) string {
	switch v := v.(type) {
	case string:
		return strconv.Quote(v)
	case bool, int, int8, int32, int64, time.Duration, []string:
		return fmt.Sprint(v)
	default:
		return ""
	}
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

var _ kgo.HookNewClient = (*look)(nil)
