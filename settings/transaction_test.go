package settings

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/serde"
)

// transacting returns settings of transactions that are faultless but for opts.
func transacting(opts ...TransactionOption) Transaction {
	return NewTransaction(append([]TransactionOption{IDPrefix("billing")}, opts...)...)
}

func TestTransactionDefaults(t *testing.T) {
	for name, m := range map[string]Transaction{
		"zero": {}, "made": NewTransaction(), "derived": Transaction{}.With(), "with an id": transacting(),
	} {
		if name != "with an id" {
			require.Len(t, problems(t, m.Err()), 1, name)
			require.Contains(t, problem(t, m.Err(), "IDPrefix").Reason, "no prefix and no id", name)
		} else {
			require.NoError(t, m.Err())
			require.Equal(t, "billing", m.IDPrefix())
		}
		require.Empty(t, m.Warnings(), name)
		require.Empty(t, m.TransactionalID(), name)
		require.Empty(t, m.InstanceID(), name)
		require.Equal(t, 1, m.Sessions(), name)
		require.Equal(t, 100*time.Millisecond, m.CommitInterval(), name)
		records, size := m.TransactionSize()
		require.Equal(t, []int{math.MaxInt, math.MaxInt}, []int{records, size}, name)
		require.Equal(t, time.Minute, m.TransactionTimeout(), name)
		first, longest := m.AbortBackoff()
		require.Equal(t, []time.Duration{100 * time.Millisecond, 10 * time.Second}, []time.Duration{first, longest}, name)
		require.Zero(t, m.PoisonAfter(), name)
		require.Empty(t, m.DeadLetterTopic(), name)
		require.False(t, m.Given("Sessions"), name)
	}
}

func TestTransactionOptionsAreReadBack(t *testing.T) {
	m := NewTransaction(
		IDPrefix("billing"), InstanceID("pod-1"), Sessions(4), CommitInterval(time.Second), TransactionSize(5, 6),
		TransactionTimeout(7*time.Second), AbortBackoff(8*time.Millisecond, 9*time.Second), PoisonAfter(3), DeadLetterTopic("dead"),
	)
	require.NoError(t, m.Err())
	require.Empty(t, m.Warnings())
	require.Equal(t, "billing", m.IDPrefix())
	require.Equal(t, "pod-1", m.InstanceID())
	require.Equal(t, 4, m.Sessions())
	require.Equal(t, time.Second, m.CommitInterval())
	records, size := m.TransactionSize()
	require.Equal(t, []int{5, 6}, []int{records, size})
	require.Equal(t, 7*time.Second, m.TransactionTimeout())
	first, longest := m.AbortBackoff()
	require.Equal(t, []time.Duration{8 * time.Millisecond, 9 * time.Second}, []time.Duration{first, longest})
	require.Equal(t, 3, m.PoisonAfter())
	require.Equal(t, "dead", m.DeadLetterTopic())
	require.True(t, m.Given("Sessions"))
	require.Equal(t, "whole", NewTransaction(TransactionalID("whole")).TransactionalID())

	other := m.With(Sessions(2))
	require.NoError(t, other.Err(), "With replaces, it does not contradict")
	require.Equal(t, []int{4, 2}, []int{m.Sessions(), other.Sessions()})
	require.Equal(t, time.Second, other.CommitInterval())
	require.Equal(t, 1, transacting().Sessions(), "nothing reaches the defaults")
	off := m.With(PoisonAfter(0), DeadLetterTopic(""))
	require.NoError(t, off.Err(), "dead letters can be turned off again")
	require.Zero(t, off.PoisonAfter())
}

func TestTransactionRules(t *testing.T) {
	of := func(opts ...TransactionOption) []TransactionOption { return opts }
	const hour = time.Hour
	for _, r := range []struct {
		name    string
		opts    []TransactionOption
		setting string // "": no problem
		java    string
		says    string
	}{
		{"faultless", of(IDPrefix("p")), "", "", ""},
		{"faultless with an id", of(TransactionalID("id")), "", "", ""},
		{"nil option", of(IDPrefix("p"), nil), "options", "", "option 2 of 2 is nil"},

		{"no prefix and no id", of(Sessions(2)), "IDPrefix", "transactional.id", "IDPrefix or TransactionalID is needed"},
		{"a prefix and an id", of(IDPrefix("p"), TransactionalID("id")), "TransactionalID", "transactional.id", "only one of the two"},
		{"empty prefix", of(IDPrefix("")), "IDPrefix", "transactional.id", "must not be empty"},
		{"empty id", of(TransactionalID("")), "TransactionalID", "transactional.id", "must not be empty"},
		{"prefix that is no UTF-8", of(IDPrefix("a\xff")), "IDPrefix", "transactional.id", "UTF-8"},
		{"id that is no UTF-8", of(TransactionalID("a\xff")), "TransactionalID", "transactional.id", "UTF-8"},
		{"line break in a prefix", of(IDPrefix("a\n")), "IDPrefix", "transactional.id", "control characters"},
		{"NUL in an id", of(TransactionalID("a\x00")), "TransactionalID", "transactional.id", "control characters"},
		{"spaces, umlauts and colons", of(IDPrefix("Übung 1: a/b")), "", "", ""},
		{"longest prefix", of(IDPrefix(strings.Repeat("x", 16382-252))), "", "", ""},
		{"long prefix", of(IDPrefix(strings.Repeat("x", 16382-251))), "IDPrefix", "transactional.id", "of up to 16383 bytes, at most 16382"},
		{"longest prefix with an instance", of(IDPrefix(strings.Repeat("x", 16382-4)), InstanceID("i")), "", "", ""},
		{"long prefix with an instance", of(IDPrefix(strings.Repeat("x", 16382-3)), InstanceID("i")), "IDPrefix", "transactional.id", "16383"},
		{"longest id", of(TransactionalID(strings.Repeat("x", 16382))), "", "", ""},
		{"long id", of(TransactionalID(strings.Repeat("x", 16383))), "TransactionalID", "transactional.id", "16383"},
		{"long id of a second session", of(TransactionalID(strings.Repeat("x", 16381)), Sessions(2)), "TransactionalID", "transactional.id", "16383"},
		{"long id of an eleventh session", of(TransactionalID(strings.Repeat("x", 16380)), Sessions(11)), "TransactionalID", "transactional.id", "16383"},

		{"instance", of(IDPrefix("p"), InstanceID("Pod-1.a_b")), "", "", ""},
		{"empty instance", of(IDPrefix("p"), InstanceID("")), "InstanceID", "transactional.id", "must not be empty"},
		{"colon in an instance", of(IDPrefix("p"), InstanceID("a:1")), "InstanceID", "transactional.id", "letters, digits"},
		{"long instance", of(IDPrefix("p"), InstanceID(strings.Repeat("x", 2500))), "InstanceID", "transactional.id", "2500 bytes"},
		{"instance of a whole id", of(TransactionalID("id"), InstanceID("i")), "InstanceID", "transactional.id", "no part in a TransactionalID"},

		{"no session", of(IDPrefix("p"), Sessions(0)), "Sessions", "", "from 1 to 1000"},
		{"negative sessions", of(IDPrefix("p"), Sessions(-1)), "Sessions", "", "from 1 to 1000"},
		{"most sessions", of(IDPrefix("p"), Sessions(1000)), "", "", ""},
		{"too many sessions", of(IDPrefix("p"), Sessions(1001)), "Sessions", "", "from 1 to 1000"},

		{"no interval", of(IDPrefix("p"), CommitInterval(0)), "CommitInterval", "", "from 1ms"},
		{"negative interval", of(IDPrefix("p"), CommitInterval(-1)), "CommitInterval", "", "from 1ms"},
		{"shortest interval", of(IDPrefix("p"), CommitInterval(time.Millisecond)), "", "", ""},
		{"short interval", of(IDPrefix("p"), CommitInterval(time.Millisecond-1)), "CommitInterval", "", "from 1ms"},
		{"longest interval", of(IDPrefix("p"), CommitInterval(30*time.Second)), "", "", ""},
		{"long interval", of(IDPrefix("p"), CommitInterval(30*time.Second+1)), "CommitInterval", "", "half of TransactionTimeout (transaction.timeout.ms, 1m0s)"},
		{"endless interval", of(IDPrefix("p"), CommitInterval(1000*hour)), "CommitInterval", "", "576h"},
		{"interval beside a faulty time-out", of(IDPrefix("p"), CommitInterval(time.Second), TransactionTimeout(0)), "TransactionTimeout", "transaction.timeout.ms", "from 1s"},

		{"no records", of(IDPrefix("p"), TransactionSize(0, 1)), "TransactionSize", "", "no limit by records"},
		{"negative records", of(IDPrefix("p"), TransactionSize(-1, 1)), "TransactionSize", "", "no limit by records"},
		{"no bytes", of(IDPrefix("p"), TransactionSize(1, 0)), "TransactionSize", "", "no limit by bytes"},
		{"one of each", of(IDPrefix("p"), TransactionSize(1, 1)), "", "", ""},

		{"no time-out", of(IDPrefix("p"), TransactionTimeout(0)), "TransactionTimeout", "transaction.timeout.ms", "from 1s"},
		{"negative time-out", of(IDPrefix("p"), TransactionTimeout(-hour)), "TransactionTimeout", "transaction.timeout.ms", "from 1s"},
		{"short time-out", of(IDPrefix("p"), TransactionTimeout(time.Second-1)), "TransactionTimeout", "transaction.timeout.ms", "from 1s"},
		{"shortest time-out", of(IDPrefix("p"), TransactionTimeout(time.Second)), "", "", ""},
		{"longest time-out", of(IDPrefix("p"), TransactionTimeout(576*hour)), "", "", ""},
		{"long time-out", of(IDPrefix("p"), TransactionTimeout(576*hour+1)), "TransactionTimeout", "transaction.timeout.ms", "576h"},

		{"no pause", of(IDPrefix("p"), AbortBackoff(0, time.Second)), "AbortBackoff", "", "from 1ms"},
		{"negative pause", of(IDPrefix("p"), AbortBackoff(-1, -1)), "AbortBackoff", "", "from 1ms"},
		{"shortest pause", of(IDPrefix("p"), AbortBackoff(time.Millisecond, time.Millisecond)), "", "", ""},
		{"pauses that shrink", of(IDPrefix("p"), AbortBackoff(time.Second, time.Millisecond)), "AbortBackoff", "", "below the first"},
		{"endless pause", of(IDPrefix("p"), AbortBackoff(time.Second, 1000*hour)), "AbortBackoff", "", "576h"},

		{"poison and its topic", of(IDPrefix("p"), PoisonAfter(1), DeadLetterTopic("dead.letters_1-a")), "", "", ""},
		{"never poison", of(IDPrefix("p"), PoisonAfter(0), DeadLetterTopic("")), "", "", ""},
		{"poison without a topic", of(IDPrefix("p"), PoisonAfter(3)), "PoisonAfter", "", "needs a DeadLetterTopic"},
		{"poison with an empty topic", of(IDPrefix("p"), PoisonAfter(3), DeadLetterTopic("")), "PoisonAfter", "", "needs a DeadLetterTopic"},
		{"a topic without poison", of(IDPrefix("p"), DeadLetterTopic("dead")), "DeadLetterTopic", "", "without PoisonAfter"},
		{"negative poison", of(IDPrefix("p"), PoisonAfter(-1), DeadLetterTopic("dead")), "PoisonAfter", "", "at least 0"},
		{"bad topic", of(IDPrefix("p"), PoisonAfter(1), DeadLetterTopic("a b")), "DeadLetterTopic", "", "letters, digits"},
		{"topic of two dots", of(IDPrefix("p"), PoisonAfter(1), DeadLetterTopic("..")), "DeadLetterTopic", "", "not allowed"},
		{"long topic", of(IDPrefix("p"), PoisonAfter(1), DeadLetterTopic(strings.Repeat("x", 2500))), "DeadLetterTopic", "", "2500 bytes"},

		{"twice, differing", of(IDPrefix("a"), IDPrefix("b")), "IDPrefix", "transactional.id", `given twice, as "a" and as "b"`},
		{"twice, the same", of(IDPrefix("a"), IDPrefix("a")), "", "", ""},
	} {
		t.Run(r.name, func(t *testing.T) {
			m := NewTransaction(r.opts...)
			if r.setting == "" {
				require.NoError(t, m.Err())
				require.NoError(t, kgo.ValidateOpts(
					kgo.TransactionalID(m.ID(m.InstanceID(), m.Sessions()-1)), kgo.TransactionTimeout(m.TransactionTimeout()),
				), "what is accepted here is accepted by the client")
				return
			}
			require.Len(t, problems(t, m.Err()), 1, "one fault, one problem: %v", m.Err())
			p := problem(t, m.Err(), r.setting)
			require.Equal(t, r.java, p.Java)
			require.Contains(t, p.Reason, r.says)
			require.Less(t, len(m.Err().Error()), 600, "a long value is not shown")
		})
	}
}

func TestAllProblemsOfATransactionAreToldAtOnce(t *testing.T) {
	m := NewTransaction(
		IDPrefix(""), TransactionalID("a\n"), InstanceID("a b"), Sessions(0), CommitInterval(0), TransactionSize(0, 0),
		TransactionTimeout(0), AbortBackoff(0, 0), PoisonAfter(-1), DeadLetterTopic("a b"), nil,
	)
	require.Len(t, problems(t, m.Err()), 14, "%v", m.Err())
	for _, setting := range []string{
		"IDPrefix", "TransactionalID", "InstanceID", "Sessions", "CommitInterval", "TransactionSize", "TransactionTimeout", "AbortBackoff",
		"PoisonAfter", "DeadLetterTopic", "options",
	} {
		problem(t, m.Err(), setting)
	}
	for _, p := range problems(t, m.Err()) {
		require.True(t, strings.HasPrefix(p.Error(), "vicuna: settings: "+p.Setting), p.Error())
	}

	bad := NewTransaction(IDPrefix("a"), IDPrefix("b"), Sessions(0))
	require.Len(t, problems(t, bad.Err()), 2)
	require.Len(t, problems(t, bad.With(Sessions(1)).Err()), 1, "given twice, as before")
	require.NoError(t, bad.With(IDPrefix("b"), Sessions(1)).Err())
}

// What a broker would not take without being told is a warning, as it may have been told.
func TestTransactionWarnings(t *testing.T) {
	require.Empty(t, transacting(TransactionTimeout(15*time.Minute)).Warnings())
	m := transacting(TransactionTimeout(15*time.Minute + 1))
	require.NoError(t, m.Err())
	require.Len(t, m.Warnings(), 1)
	require.Contains(t, m.Warnings()[0], "transaction.max.timeout.ms")
	m.Warnings()[0] = "changed"
	require.NotEqual(t, "changed", m.Warnings()[0])
}

// One option for a member of a group and for transactions: each takes it for itself.
func TestAnInstanceIDFitsAConsumerAndTransactions(t *testing.T) {
	id := InstanceID("pod-1")
	cs := NewConsumer(serde.String(), serde.String(), Bootstrap("localhost:9092"), Group("g"), id)
	m := transacting(id)
	require.NoError(t, cs.Err())
	require.NoError(t, m.Err(), "no group is needed for the ids")
	require.Equal(t, []string{"pod-1", "pod-1"}, []string{cs.InstanceID(), m.InstanceID()})
	require.Empty(t, transacting().InstanceID(), "the consumer's is not known here")
}

func TestTransactionalIDs(t *testing.T) {
	made, whole := transacting(Sessions(3)), NewTransaction(TransactionalID("billing"), Sessions(3))
	require.Equal(t, "billing:pod-1:0", made.ID("pod-1", 0))
	require.Equal(t, "billing:pod-1:2", made.ID("pod-1", 2))
	require.Equal(t, "billing", whole.ID("pod-1", 0))
	require.Equal(t, "billing:2", whole.ID("pod-2", 2))
	require.Equal(t, whole.ID("", 1), NewTransaction(TransactionalID("billing")).With(Sessions(9)).ID("", 1), "however many there are")
	require.Equal(t, "billing:a%3A1:0", made.ID("a:1", 0), "what an InstanceID may not have is escaped")
}

// Parts that only together are the same must not make the same id.
func TestTransactionalIDsOfDifferentSessionsDiffer(t *testing.T) {
	seen := map[string]string{}
	for _, prefix := range []string{"a", "a-1", "a-1-2", "a:1", "a:1:2", "a:", ":", "a%3A1"} {
		for _, instance := range []string{"", "1", "1-2", "2", "-1", "1:2", "1%3A2", "1-", ":", "2 ", "2+"} {
			for _, session := range []int{0, 1, 2, 12, -1} {
				parts := fmt.Sprintf("%q, %q, %d", prefix, instance, session)
				id := NewTransaction(IDPrefix(prefix)).ID(instance, session)
				require.Empty(t, seen[id], "%s makes %q too", parts, id)
				seen[id] = parts
			}
		}
	}
	whole := NewTransaction(TransactionalID("a"), Sessions(1000))
	sessions := map[string]bool{}
	for i := range whole.Sessions() {
		sessions[whole.ID("", i)] = true
	}
	require.Len(t, sessions, 1000)
}

func TestATransactionIsShown(t *testing.T) {
	m := transacting()
	require.Equal(t, "settings.Transaction{id.prefix: billing, sessions: 1, commit.interval: 100ms, transaction.timeout: 1m0s, "+
		"abort.backoff.first: 100ms, abort.backoff.longest: 10s}", m.String())
	require.Contains(t, NewTransaction(TransactionalID("id")).String(), "{transactional.id: id, sessions: 1")

	m = m.With(InstanceID("pod-1"), TransactionSize(5, 6), PoisonAfter(3), DeadLetterTopic("dead"))
	for _, shown := range []string{
		m.String(), fmt.Sprint(m), fmt.Sprintf("%+v", m), fmt.Sprintf("%#v", m), fmt.Sprintf("%+v", []any{m, &m}),
	} {
		for _, part := range []string{
			"instance.id: pod-1", "transaction.records: 5", "transaction.bytes: 6", "poison.after: 3", "dead.letter.topic: dead",
		} {
			require.Contains(t, shown, part)
		}
	}
	asJSON, err := json.Marshal(m)
	require.NoError(t, err)
	require.Contains(t, string(asJSON), `"commit.interval":"100ms"`)
	var b bytes.Buffer
	slog.New(slog.NewJSONHandler(&b, nil)).Info("made", "tx", m)
	require.Contains(t, b.String(), `"tx":{"id.prefix":"billing","instance.id":"pod-1"`)
}
