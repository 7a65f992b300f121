package settings

import (
	"crypto/tls"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// owned is a franz-go option that may not be set through ClientOptions.
type owned struct {
	option string // as kgo's OptValue names it
	use    string // what to use instead, "" where nothing
	reason string
}

// commonOwned are refused on both sides.
var commonOwned = []owned{
	{"SeedBrokers", "Bootstrap", "the addresses are validated, and named when no broker can be reached"},
	{"ClientID", "ClientID", "it is set in one place"},
	{"Dialer", "Dialer", "dialling is watched, to notice that no broker can be reached"},
	{"DialTLSConfig", "TLS", "it excludes the dialer that is watched"},
	{"SASL", "SASL", "credentials are kept out of logs and errors"},
	{"WithLogger", "Logger", "warnings of the client and of the library go to one place"},
	{"WithContext", "", "the client lives until it is closed; a cancelled context would leave it half dead"},
}

// ownedOptions are the options that this package has its own for, and those that
// a producer's correctness depends on.
var ownedOptions = append(slices.Clone(commonOwned), []owned{
	{"RequiredAcks", "Acks", "idempotence and what counts as acknowledged depend on it"},
	{"DisableIdempotentWrite", "Idempotence", "it is checked against the acks"},
	{"AllowIdempotentProduceCancellation", "", "whether a record still fails at its delivery time-out depends on it"},
	{"MaxProduceRequestsInflightPerBroker", "", "the order within a partition depends on it"},
	{"ProducerBatchCompression", "Compression", "it is set in one place"},
	{"ProducerBatchMaxBytes", "BatchBytes", "it is set in one place"},
	{"ProducerBatchMaxBytesFn", "BatchBytes", "it is set in one place"},
	{"MaxBufferedRecords", "Window", "it has to be above the window, or the client holds the stream and a stop cannot reach it"},
	{"MaxBufferedBytes", "Window", "it has to be above the window, or the client holds the stream and a stop cannot reach it"},
	{"RecordDeliveryTimeout", "DeliveryTimeout", "it is measured from a record's own timestamp, so records with an old one fail unsent"},
	{"ProduceRequestTimeout", "RequestTimeout", "it is checked against the delivery time-out"},
	{"RecordPartitioner", "Partitioner", "a partition that a record names would be ignored without ours"},
	{"ProducerLinger", "Linger", "streams flush at barriers, and an element does not linger"},
	{"ManualFlushing", "", "nobody would flush"},
	{"DefaultProduceTopic", "", "a record names its topic"},
	{"DefaultProduceTopicAlways", "", "a record names its topic"},
	{"TransactionalID", "", "a producer's client is shared; transactions belong to one session each"},

	{"ConsumeTopics", "", "a producer's client does not consume"},
	{"ConsumePartitions", "", "a producer's client does not consume"},
	{"ConsumeRegex", "", "a producer's client does not consume"},
	{"ConsumerGroup", "", "a producer's client does not consume"},
	{"ShareGroup", "", "a producer's client does not consume"},
}...)

// What else is read off the probe.
const (
	optBrokerMaxReadBytes  = "BrokerMaxReadBytes"
	optBrokerMaxWriteBytes = "BrokerMaxWriteBytes"
	optDialTimeout         = "DialTimeout"
)

// side is what a producer or a consumer owns.
type side struct {
	owned []owned
	// bases are options to look at others with, one after the other, until
	// franz-go accepts them together: some are valid only with another one.
	bases [][]kgo.Opt
	// implied are options that are named already where another is: they have
	// the same value.
	implied map[string]string
}

var producing = side{
	owned: ownedOptions,
	// lower acks need idempotence to be off
	bases:   [][]kgo.Opt{nil, {kgo.DisableIdempotentWrite()}},
	implied: map[string]string{"ProducerBatchMaxBytesFn": "ProducerBatchMaxBytes"},
}

func probedNames() []string { return producing.names() }

func (s side) names() []string {
	names := []string{optBrokerMaxReadBytes, optBrokerMaxWriteBytes, optDialTimeout}
	for _, o := range s.owned {
		names = append(names, o.option)
	}
	return names
}

// rawVerdict is what the options for the client come to.
type rawVerdict struct {
	side          side
	problems      []*Problem
	maxReadBytes  int
	maxWriteBytes int
	dialTimeout   time.Duration
}

// inspectRaw compares a client made of the user's options with one made of none.
func inspectRaw(raw []kgo.Opt, of side) rawVerdict {
	v := rawVerdict{side: of, maxReadBytes: 100 << 20, maxWriteBytes: 100 << 20, dialTimeout: defaultDialTimeout}
	if len(raw) == 0 {
		return v
	}
	seen := map[string]bool{}
	whole, err := v.refuse(raw, seen)
	if err != nil {
		// franz-go rejects them together, perhaps for the very option that
		// is to be named: each by itself may tell.
		for i := range raw {
			_, _ = v.refuse(raw[i:i+1], seen)
		}
		if len(v.problems) == 0 {
			v.problems = append(v.problems, &Problem{Setting: "ClientOptions", Reason: "franz-go rejects them: " + err.Error()})
		}
	}
	if whole != nil {
		if n, ok := whole.values[optBrokerMaxReadBytes].(int32); ok {
			v.maxReadBytes = int(n)
		}
		if n, ok := whole.values[optBrokerMaxWriteBytes].(int32); ok {
			v.maxWriteBytes = int(n)
		}
		if d, ok := whole.values[optDialTimeout].(time.Duration); ok {
			v.dialTimeout = d
		}
	}
	return v
}

// refuse appends a problem for each option we own that opts set.
func (v *rawVerdict) refuse(opts []kgo.Opt, seen map[string]bool) (*probe, error) {
	var firstErr error
	names := v.side.names()
	for _, base := range v.side.bases {
		bare, err := probeOptions(names, base...)
		if err != nil {
			return nil, err
		}
		with := append(base[:len(base):len(base)], opts...)
		set, err := probeOptions(names, with...)
		if err != nil {
			if firstErr == nil {
				firstErr = err
			}
			continue
		}
		for _, o := range v.side.owned {
			if by := v.side.implied[o.option]; by != "" && seen[by] {
				continue
			}
			if !seen[o.option] && differs(o.option, bare, set, with) {
				seen[o.option] = true
				v.problems = append(v.problems, o.problem(set.values[o.option]))
			}
		}
		return set, nil
	}
	return nil, firstErr
}

// differs returns whether opts change the named option. Two of them do not show it
// in their value.
func differs(option string, bare, set *probe, opts []kgo.Opt) bool {
	was, is := bare.values[option], set.values[option]
	switch option {
	case "Dialer":
		// The default is a method of a net.Dialer, as the user's may be. But
		// franz-go accepts a TLS configuration only without a dialer.
		return set.values["DialTLSConfig"].(*tls.Config) == nil &&
			kgo.ValidateOpts(opts...) == nil &&
			kgo.ValidateOpts(append(opts[:len(opts):len(opts)], kgo.DialTLSConfig(&tls.Config{}))...) != nil
	case "RecordPartitioner":
		// The default one holds a hash function, which is the same only by
		// what it does.
		return !equal(was, is, anyFunc) || !equalHash(was, is)
	default:
		return !equal(was, is, sameCode)
	}
}

// equalHash compares what two partitioners of one type do with keys: a hash
// function is wrapped, and looks equal whichever it is.
func equalHash(a, b any) bool {
	x, okx := a.(kgo.Partitioner)
	y, oky := b.(kgo.Partitioner)
	if !okx || !oky {
		return okx == oky
	}
	tx, okx := x.ForTopic("probe").(kgo.TopicBackupPartitioner)
	ty, oky := y.ForTopic("probe").(kgo.TopicBackupPartitioner)
	if !okx || !oky {
		return okx == oky
	}
	const partitions = 1009
	for _, key := range []string{"0", "1", "128", "2187", "100:48069"} {
		r := &kgo.Record{Key: []byte(key)}
		if tx.PartitionByBackup(r, partitions, nil) != ty.PartitionByBackup(r, partitions, nil) {
			return false
		}
	}
	return true
}

// problem shows the value where it is a plain one: structs, functions and
// credentials are not for printing.
func (o owned) problem(value any) *Problem {
	p := &Problem{Setting: "kgo." + o.option, Reason: "is refused in ClientOptions: " + o.reason}
	if o.use != "" {
		p.Reason += "; use settings." + o.use
	}
	switch v := value.(type) {
	case bool, int, int32, int64, time.Duration:
		p.Value = fmt.Sprint(v)
	}
	return p
}
