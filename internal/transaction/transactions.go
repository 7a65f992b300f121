package transaction

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/vicuna-go/vicuna/internal/commit"
	"github.com/vicuna-go/vicuna/internal/topics"
)

// Options are what [New] is given.
type Options struct {
	// Client produces, with a transactional id (kgo.TransactionalID), and may be a member of a
	// group (kgo.ConsumerGroup). It must neither commit nor end transactions by itself.
	Client *kgo.Client
	// Plain commits offsets without a transaction, as [commit.Member.Commit] does; nil where there
	// is no group. It is called while no transaction is open, for an epoch that has produced
	// nothing: the client sends no request to end such a one, so that offsets would stay pending.
	Plain func(life context.Context, offsets []commit.Offset) []error
	// Limit bounds how long each part of an ending is tried: the flush and the offsets together,
	// the request that ends it, the abort, and finding out what an unknown outcome was; and Init. 0
	// is the client's transaction time-out: what takes longer has been aborted by the broker.
	Limit time.Duration
	Log   *slog.Logger
}

// Transactions are those of one client, one after the other. One owner calls the methods, one call
// at a time, and lets nothing be produced but between Begin and the call that ends the transaction.
type Transactions struct {
	cl       *kgo.Client
	plain    func(context.Context, []commit.Offset) []error
	log      *slog.Logger
	limit    time.Duration
	id       string
	group    string
	instance string
	timeout  time.Duration // the broker ends a transaction that is older

	// implicit is whether transaction.version is 2 or newer, as Init has found it. Where it is
	// raised later, the client takes the new protocol, and the group goes on being added in the old
	// way, which brokers take in both.
	implicit    bool
	coordinator int32 // of the group, -1 where it is not known

	open  bool
	began time.Time
	// producer and epoch are those in which the transaction was begun.
	producer int64
	epoch    int16
	over     error // why no other transaction can be begun with this client, nil while one can

	ids  map[string][16]byte         // of topics, as far as Identify was told
	last map[topics.Partition]staged // what was last committed of each partition
}

// staged is an offset that a transaction was to commit, or has committed.
type staged struct {
	offset   int64
	metadata string
	marked   bool // the metadata are the member's id
	owner    *commit.Owner
}

// New makes the transactions of a client. Nothing is sent before Init.
func New(o Options) (*Transactions, error) {
	t := &Transactions{
		cl: o.Client, plain: o.Plain, log: o.Log, limit: o.Limit, coordinator: -1,
		ids: map[string][16]byte{}, last: map[topics.Partition]staged{}, over: ErrNotTaken,
	}
	t.id, _ = o.Client.OptValue(kgo.TransactionalID).(string)
	t.group, _ = o.Client.OptValue(kgo.ConsumerGroup).(string)
	t.instance, _ = o.Client.OptValue(kgo.InstanceID).(string)
	t.timeout, _ = o.Client.OptValue(kgo.TransactionTimeout).(time.Duration)
	if t.id == "" {
		return nil, ErrNoTransactionalID
	}
	if t.limit <= 0 {
		t.limit = t.timeout
	}
	return t, nil
}

// ID is the transactional id.
func (t *Transactions) ID() string { return t.id }

// Identify notes a topic's id, as the brokers' metadata or a fetch has told it. Offsets of a topic
// whose id is known are not put into a topic that was made anew under its name, where the brokers
// can tell (TxnOffsetCommit 6).
func (t *Transactions) Identify(topic string, id [16]byte) {
	if id != ([16]byte{}) {
		t.ids[topic] = id
	}
}

// Init takes the transactional id: the coordinator aborts what an older instance has left open, and
// fences it, before it answers. So a group's offsets can be asked for after it, which are not told
// while such a transaction has some of them. It tries for as long as the limit says.
//
// Each of its errors is for good: one that is no refusal, and no other instance, says that a new
// client may succeed.
func (t *Transactions) Init(life context.Context) error {
	if t.over != nil && !errors.Is(t.over, ErrNotTaken) {
		return t.over
	}
	ctx, cancel := context.WithTimeout(life, t.limit)
	defer cancel()
	for tries := 0; ; tries++ {
		err := t.take(ctx)
		if err == nil {
			t.over = nil
			return nil
		}
		switch judge(err) {
		case again, broken:
			if t.pause(ctx, tries) {
				continue
			}
		case refused:
			t.over = t.refusal(err)
			return t.over
		case stale:
			t.over = &FencedError{ID: t.id, Err: err}
			return t.over
		}
		t.over = &UnusableError{ID: t.id, Cause: cause(err, false), Err: err}
		return t.over
	}
}

// take asks for the producer's id, and which protocol the brokers' transactions have.
func (t *Transactions) take(ctx context.Context) error {
	if _, _, err := t.cl.ProducerID(ctx); err != nil {
		return err
	}
	req := kmsg.NewPtrApiVersionsRequest()
	req.ClientSoftwareName, req.ClientSoftwareVersion = "vicuna", "1"
	resp, err := req.RequestWith(ctx, t.cl)
	if err != nil {
		return err
	}
	if t.group != "" && !fences(resp) {
		return fmt.Errorf("offsets in transactions need Kafka 2.5: older brokers do not look which member they come from (KIP-447): %w", kerr.UnsupportedVersion)
	}
	t.implicit = t.version(resp) >= 2
	return nil
}

// fences reports whether a broker looks which member's offsets come in a transaction, and does not
// tell a group's offsets while there are such ones.
func fences(resp *kmsg.ApiVersionsResponse) bool {
	most := map[int16]int16{}
	for _, k := range resp.ApiKeys {
		most[k.ApiKey] = k.MaxVersion
	}
	return most[kmsg.TxnOffsetCommit.Int16()] >= 3 && most[kmsg.OffsetFetch.Int16()] >= 7
}

// version is the finalised feature transaction.version, as the client looks at it when it begins a
// transaction: 0 where its own versions do not reach that far.
func (t *Transactions) version(resp *kmsg.ApiVersionsResponse) int16 {
	for key, least := range map[kmsg.Key]int16{kmsg.Produce: 12, kmsg.EndTxn: 5, kmsg.TxnOffsetCommit: 5} {
		if versions, ok := t.cl.OptValue(kgo.MaxVersions).(*kversion.Versions); ok && versions != nil {
			if most, ok := versions.LookupMaxKeyVersion(int16(key)); !ok || most < least {
				return 0
			}
		}
	}
	for _, f := range resp.FinalizedFeatures {
		if f.Name == "transaction.version" {
			return f.MaxVersionLevel
		}
	}
	return 0
}

// Begin begins a transaction. Nothing is sent: for the brokers it begins with the first record. It
// fails where the last outcome, or Init, has said that the client is not usable.
func (t *Transactions) Begin() error {
	if t.over != nil {
		return t.over
	}
	if err := t.cl.BeginTransaction(); err != nil {
		t.over = &UnusableError{ID: t.id, Cause: cause(err, false), Err: err}
		return t.over
	}
	// The client has the id, but where it asks for a new epoch to change the protocol.
	ctx, cancel := context.WithTimeout(t.cl.Context(), t.limit)
	defer cancel()
	var err error
	if t.producer, t.epoch, err = t.cl.ProducerID(ctx); err != nil {
		t.over = &UnusableError{ID: t.id, Cause: cause(err, false), Err: err}
		return t.over
	}
	t.open, t.began = true, time.Now()
	return nil
}

// Age is for how long the transaction has been open at most.
func (t *Transactions) Age() time.Duration { return time.Since(t.began) }

// timedOut reports whether the brokers may have ended the open transaction by their time-out.
func (t *Transactions) timedOut() bool { return expired(t.Age(), t.timeout) }

const (
	firstPause = 10 * time.Millisecond
	mostPause  = 500 * time.Millisecond
)

// pause waits before something is tried again, twice as long each time; false: the time is over.
func (t *Transactions) pause(ctx context.Context, tries int) bool {
	timer := time.NewTimer(min(mostPause, firstPause<<min(tries, 10)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
	case <-t.cl.Context().Done():
	}
	return false
}

// ending is the context of what ends a transaction: it ends with its own deadline, and not when
// life does.
func (t *Transactions) ending(life context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(life), t.limit)
}
