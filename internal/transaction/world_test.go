package transaction_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vicuna-go/vicuna/internal/commit"
	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/internal/testlog"
	"github.com/vicuna-go/vicuna/internal/topics"
	"github.com/vicuna-go/vicuna/internal/tracker"
	"github.com/vicuna-go/vicuna/internal/transaction"
	"github.com/vicuna-go/vicuna/kafkatest"
)

const (
	in, out    = "in", "out"
	group      = "copies"
	id         = "tx"
	partitions = 2
	// timeout is the transaction time-out, and limit how long each part of an ending is tried.
	timeout = 20 * time.Second
	limit   = 5 * time.Second
)

// protocol is how the brokers' transactions go.
type protocol struct {
	name    string
	version string // of Kafka, "" is the newest
	// lowered is whether the newest brokers have the feature transaction.version at 1: they offer
	// requests that are not to be used.
	lowered bool
}

// protocols are the transactions before KIP-890 and those with it.
func protocols() []protocol {
	return []protocol{{name: "TV1", version: "3.9"}, {name: "lowered", lowered: true}, {name: "TV2"}}
}

// world is a broker with numbered records, and what was seen of their copies.
type world struct {
	*kafkatest.Broker
	t   *testing.T
	log *testlog.Log
	// of those that are made from now on
	timeout, limit time.Duration
}

// each runs a test with all protocols.
func each(t *testing.T, test func(t *testing.T, w *world), opts ...kafkatest.Option) {
	t.Helper()
	for _, p := range protocols() {
		t.Run(p.name, func(t *testing.T) { inWorld(t, p, test, opts...) })
	}
}

func inWorld(t *testing.T, p protocol, test func(t *testing.T, w *world), opts ...kafkatest.Option) {
	t.Helper()
	opts = append([]kafkatest.Option{kafkatest.Version(p.version), kafkatest.Topics(partitions, in, out)}, opts...)
	grouptest.OnBroker(t, func(t *testing.T, k *kafkatest.Broker) {
		w := &world{Broker: k, t: t, log: &testlog.Log{}, timeout: timeout, limit: limit}
		t.Cleanup(func() {
			if t.Failed() {
				t.Log(w.log.Tail(10))
			}
		})
		if p.lowered {
			w.lower()
		}
		test(t, w)
	}, opts...)
}

// lower sets the feature transaction.version to 1.
func (w *world) lower() {
	w.t.Helper()
	req := kmsg.NewPtrUpdateFeaturesRequest()
	req.FeatureUpdates = []kmsg.UpdateFeaturesRequestFeatureUpdate{{Feature: "transaction.version", MaxVersionLevel: 1, AllowDowngrade: true, UpgradeType: 2}}
	resp, err := req.RequestWith(w.t.Context(), w.client())
	require.NoError(w.t, err)
	require.NoError(w.t, kerr.ErrorForCode(resp.ErrorCode))
}

// fill writes n records to each partition; a record's value is its place.
func (w *world) fill(n int) {
	w.t.Helper()
	cl := w.client(kgo.DefaultProduceTopic(in), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	for p := range int32(partitions) {
		for i := range int64(n) {
			require.NoError(w.t, cl.ProduceSync(w.t.Context(), w.record(p, i)).FirstErr())
		}
	}
}

// record is the one at a place.
func (w *world) record(p int32, offset int64) *kgo.Record {
	return &kgo.Record{Topic: in, Partition: p, Value: fmt.Appendf(nil, "%d/%d", p, offset)}
}

func (w *world) client(opts ...kgo.Opt) *kgo.Client {
	w.t.Helper()
	cl, err := kgo.NewClient(append(w.ClientOptions(), opts...)...)
	require.NoError(w.t, err)
	w.t.Cleanup(cl.CloseAllowingRebalance)
	return cl
}

// copier copies what it reads, by hand.
type copier struct {
	*transaction.Transactions
	w     *world
	cl    *kgo.Client
	owner *commit.Owner
	recs  []*kgo.Record                     // all that was polled
	at    map[topics.Partition]tracker.Mark // the next one to be committed
	sent  int64
	err   error
	plain int // how often offsets were committed without a transaction
}

// member makes a copier whose client is in the group, and reads.
func (w *world) member(opts ...kgo.Opt) *copier {
	w.t.Helper()
	c := w.consumer(opts...)
	require.NoError(w.t, c.Init(w.t.Context()))
	return c
}

// consumer makes a copier whose client is in the group, and has not taken the id.
func (w *world) consumer(opts ...kgo.Opt) *copier {
	w.t.Helper()
	return w.copier(append([]kgo.Opt{kgo.ConsumerGroup(group), kgo.ConsumeTopics(in), kgo.DisableAutoCommit(), kgo.FetchIsolationLevel(kgo.ReadCommitted())}, opts...)...)
}

// copier makes one that has done nothing yet.
func (w *world) copier(opts ...kgo.Opt) *copier {
	w.t.Helper()
	c := &copier{w: w, at: map[topics.Partition]tracker.Mark{}}
	c.cl = w.client(append([]kgo.Opt{
		kgo.TransactionalID(id), kgo.TransactionTimeout(w.timeout), kgo.RequestRetries(3), kgo.RetryBackoffFn(func(int) time.Duration { return 10 * time.Millisecond }),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0), kgo.FetchMaxWait(50 * time.Millisecond), kgo.AlwaysRetryEOF(),
	}, opts...)...)
	var err error
	c.Transactions, err = transaction.New(transaction.Options{Client: c.cl, Plain: c.commitPlain, Limit: w.limit, Log: w.log.Logger()})
	require.NoError(w.t, err)
	return c
}

func (c *copier) commitPlain(life context.Context, offsets []commit.Offset) []error {
	c.plain++
	results := make([]error, len(offsets))
	marks := map[string]map[int32]kgo.EpochOffset{}
	for _, o := range offsets {
		if marks[o.Topic] == nil {
			marks[o.Topic] = map[int32]kgo.EpochOffset{}
		}
		marks[o.Topic][o.Partition.Partition] = kgo.EpochOffset{Epoch: o.Epoch, Offset: o.Offset}
	}
	c.cl.CommitOffsetsSync(life, marks, func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, resp *kmsg.OffsetCommitResponse, err error) {
		for i := range results {
			results[i] = err
		}
	})
	return results
}

// poll reads n records of each partition.
func (c *copier) poll(n int) []*kgo.Record {
	c.w.t.Helper()
	var all []*kgo.Record
	for len(all) < n*partitions {
		ctx, cancel := context.WithTimeout(c.w.t.Context(), time.Minute)
		fetches := c.cl.PollRecords(ctx, n*partitions-len(all))
		require.NoError(c.w.t, ctx.Err(), "%d of %d records were read", len(all), n*partitions)
		cancel()
		for _, f := range fetches {
			for _, topic := range f.Topics {
				c.Identify(topic.Topic, topic.TopicID)
			}
		}
		all = append(all, fetches.Records()...)
	}
	member, _ := c.cl.GroupMetadata()
	if c.owner == nil {
		c.owner = commit.NewOwner(member)
	}
	c.recs = append(c.recs, all...)
	return all
}

// begin begins a transaction.
func (c *copier) begin() {
	c.w.t.Helper()
	c.sent, c.err = 0, nil
	require.NoError(c.w.t, c.Begin())
}

// copy produces what records are copied to. Their offsets are those of the next cut.
func (c *copier) copy(recs ...*kgo.Record) {
	for _, r := range recs {
		c.sent++
		c.cl.Produce(context.Background(), &kgo.Record{Topic: out, Partition: r.Partition, Value: r.Value}, func(_ *kgo.Record, err error) {
			if err != nil && c.err == nil {
				c.err = err // promises run one after the other
			}
		})
	}
	c.pass(recs...)
}

// pass lets records come to nothing.
func (c *copier) pass(recs ...*kgo.Record) {
	for _, r := range recs {
		p := topics.Partition{Topic: r.Topic, Partition: r.Partition}
		c.at[p] = tracker.Mark{Offset: max(c.at[p].Offset, r.Offset+1), Epoch: r.LeaderEpoch}
	}
}

func (c *copier) cut() (offsets []commit.Offset) {
	for p, m := range c.at {
		offsets = append(offsets, commit.Offset{Partition: p, Mark: m, Owner: c.owner})
	}
	return offsets
}

func (c *copier) produced() transaction.Produced {
	return transaction.Produced{Records: c.sent, Err: c.err}
}

// commit ends the transaction with what was copied.
func (c *copier) commit() transaction.Outcome {
	return c.Commit(c.w.t.Context(), c.cut(), c.produced)
}

// committed are the group's offsets, 0 where there are none.
func (w *world) committed() (offsets [partitions]int64) {
	w.t.Helper()
	g := w.Cluster().GroupInfo(group)
	if g == nil {
		return offsets
	}
	for p, c := range g.Commits[in] {
		offsets[p] = c.Offset
	}
	return offsets
}

// visible is how many copies of each partition a careful reader sees; they have to be the first
// ones, each once.
func (w *world) visible() (n [partitions]int64) {
	w.t.Helper()
	for _, r := range kafkatest.ReadAll(w.t, w.Broker, out) {
		require.Equal(w.t, fmt.Sprintf("%d/%d", r.Partition, n[r.Partition]), string(r.Value), "lost, doubled or out of order")
		n[r.Partition]++
	}
	return n
}

// agree demands that copies and offsets are these.
func (w *world) agree(offsets ...int64) {
	w.t.Helper()
	require.Equal(w.t, [partitions]int64(offsets), w.committed(), "offsets")
	require.Equal(w.t, [partitions]int64(offsets), w.visible(), "copies")
}

func requireCommitted(t *testing.T, o transaction.Outcome) {
	t.Helper()
	require.Equal(t, transaction.Outcome{Ended: transaction.Committed, Client: transaction.Usable}, o, "%v", o)
}

func requireOutcome(t *testing.T, o transaction.Outcome, ended transaction.Ended, client transaction.Client, cause transaction.Cause) {
	t.Helper()
	require.Equal(t, []string{ended.String(), client.String(), cause.String()}, []string{o.Ended.String(), o.Client.String(), o.Cause.String()}, "%v", o)
}

// cutAt is the same offset of each partition.
func (c *copier) cutAt(offset int64) []commit.Offset {
	cut := c.cut()
	for i := range cut {
		cut[i].Offset = offset
	}
	return cut
}

// cell is an outcome as the table has it.
func cell(o transaction.Outcome) string {
	s := o.Ended.String()
	if o.Cause != transaction.None {
		s += " (" + o.Cause.String() + ")"
	}
	if o.Client != transaction.Usable {
		s += ", client " + o.Client.String()
	}
	if o.Err != nil && o.Client != transaction.Usable {
		s += ": " + kind(o.Err)
	}
	return s
}

// kind is the type of an error.
func kind(err error) string {
	for _, is := range []struct {
		name string
		as   any
	}{
		{"FencedError", new(*transaction.FencedError)},
		{"TimeoutError", new(*transaction.TimeoutError)},
		{"AuthorizationError", new(*transaction.AuthorizationError)},
		{"UnsupportedError", new(*transaction.UnsupportedError)},
		{"UnresolvedError", new(*transaction.UnresolvedError)},
		{"UnusableError", new(*transaction.UnusableError)},
		{"AbortedError", new(*transaction.AbortedError)},
	} {
		if errors.As(err, is.as) {
			return is.name
		}
	}
	return fmt.Sprintf("%T", err)
}

// commitAs commits offsets as an owner that came later.
func (w *world) commitAs(offsets map[int32]int64) {
	w.t.Helper()
	var all kadm.Offsets
	for p, o := range offsets {
		all.AddOffset(in, p, o, -1)
	}
	resp, err := kadm.NewClient(w.client()).CommitOffsets(w.t.Context(), group, all)
	require.NoError(w.t, err)
	require.NoError(w.t, resp.Error())
}

// putOut takes a member out of the group, as the group does with one that was silent.
func (w *world) putOut(c *copier) {
	w.t.Helper()
	member, _ := c.cl.GroupMetadata()
	instance, _ := c.cl.OptValue(kgo.InstanceID).(string)
	if protocol, _ := c.cl.OptValue(kgo.ServerSideBalancer).(bool); protocol {
		req := kmsg.NewPtrConsumerGroupHeartbeatRequest()
		req.Group, req.MemberID, req.MemberEpoch = group, member, -1
		if instance != "" {
			req.InstanceID = &instance
		}
		resp, err := req.RequestWith(w.t.Context(), w.client())
		require.NoError(w.t, err)
		require.NoError(w.t, kerr.ErrorForCode(resp.ErrorCode))
		return
	}
	req := kmsg.NewPtrLeaveGroupRequest()
	req.Group = group
	req.Members = []kmsg.LeaveGroupRequestMember{{MemberID: member}}
	if instance != "" {
		req.Members[0].InstanceID = &instance
	}
	resp, err := req.RequestWith(w.t.Context(), w.client())
	require.NoError(w.t, err)
	require.NoError(w.t, kerr.ErrorForCode(resp.ErrorCode))
}

// empty takes all members out of the group.
func (w *world) empty() {
	w.t.Helper()
	for _, m := range w.Cluster().GroupInfo(group).Members {
		req := kmsg.NewPtrLeaveGroupRequest()
		req.Group = group
		req.Members = []kmsg.LeaveGroupRequestMember{{MemberID: m.MemberID}}
		_, err := req.RequestWith(w.t.Context(), w.client())
		require.NoError(w.t, err)
	}
}
