// Package lookup asks the brokers, through a run's client, what a consumer has to know: what its
// group has committed, where partitions begin and end, which partitions there are, whether the
// coordinator is there, and what lies at the end of a log. It asks once; who may be answered later
// is for its callers to ask again ([Passing]).
package lookup

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/internal/fault"
	"github.com/vicuna-go/vicuna/internal/topics"
	"github.com/vicuna-go/vicuna/settings"
)

// Questions asks the brokers, through a client. Any goroutine may ask.
type Questions struct {
	cl    *kgo.Client
	adm   *kadm.Client
	group string
	cfg   settings.ConsumerConfig
}

// New asks through a client.
func New(cl *kgo.Client, cfg settings.ConsumerConfig) *Questions {
	return &Questions{cl: cl, adm: kadm.NewClient(cl), group: cfg.Group(), cfg: cfg}
}

// Admin is the administrator's view of the client that is asked.
func (q *Questions) Admin() *kadm.Client { return q.adm }

// Group is the group that is asked about, "" where the settings name none.
func (q *Questions) Group() string { return q.group }

// Committed returns the group's offsets; partitions without one are left out.
func (q *Questions) Committed(ctx context.Context, ps []topics.Partition) (map[topics.Partition]int64, error) {
	offsets := map[topics.Partition]int64{}
	if len(ps) == 0 {
		return offsets, nil
	}
	if q.group == "" {
		return nil, fault.ErrNoGroup
	}
	resp, err := q.adm.FetchOffsetsForTopics(ctx, q.group, topics.Names(ps)...)
	if isNoGroup(err) { // it has committed nothing yet
		return offsets, nil
	}
	if err != nil {
		return nil, &fault.GroupError{Group: q.group, Err: err}
	}
	for _, p := range ps {
		o, ok := resp.Lookup(p.Topic, p.Partition)
		switch {
		case !ok:
		case o.Err != nil:
			return nil, &fault.FetchError{Topic: p.Topic, Partition: p.Partition, Err: o.Err}
		case o.At >= 0:
			offsets[p] = o.At
		}
	}
	return offsets, nil
}

func isNoGroup(err error) bool { return errors.Is(err, kerr.GroupIDNotFound) }

// Beginning returns the offsets of the first records that there are.
func (q *Questions) Beginning(ctx context.Context, ps []topics.Partition) (map[topics.Partition]int64, error) {
	return list(ctx, ps, q.adm.ListStartOffsets)
}

// End returns where reading ends: with read_committed, at the last stable offset.
func (q *Questions) End(ctx context.Context, ps []topics.Partition) (map[topics.Partition]int64, error) {
	if q.cfg.Isolation() == settings.ReadCommitted {
		return list(ctx, ps, q.adm.ListCommittedOffsets)
	}
	return list(ctx, ps, q.adm.ListEndOffsets)
}

// First returns where partitions without a committed offset begin.
func (q *Questions) First(ctx context.Context, ps []topics.Partition) (map[topics.Partition]int64, error) {
	if q.cfg.StartFrom() == settings.Latest {
		return q.End(ctx, ps)
	}
	return q.Beginning(ctx, ps)
}

// After returns the offsets of the first records that are younger, the end where there is none.
func (q *Questions) After(ctx context.Context, t time.Time, ps []topics.Partition) (map[topics.Partition]int64, error) {
	return list(ctx, ps, func(ctx context.Context, topics ...string) (kadm.ListedOffsets, error) {
		return q.adm.ListOffsetsAfterMilli(ctx, t.UnixMilli()+1, topics...)
	})
}

func list(ctx context.Context, ps []topics.Partition, ask func(context.Context, ...string) (kadm.ListedOffsets, error)) (map[topics.Partition]int64, error) {
	offsets := map[topics.Partition]int64{}
	if len(ps) == 0 {
		return offsets, nil
	}
	names := topics.Names(ps)
	listed, err := ask(ctx, names...)
	if err != nil {
		return nil, unreadable(names, err)
	}
	for _, p := range ps {
		o, ok := listed.Lookup(p.Topic, p.Partition)
		switch {
		case !ok:
			return nil, &fault.FetchError{Topic: p.Topic, Partition: p.Partition, Err: kerr.UnknownTopicOrPartition}
		case o.Err != nil:
			return nil, &fault.FetchError{Topic: p.Topic, Partition: p.Partition, Err: o.Err}
		}
		offsets[p] = o.Offset
	}
	return offsets, nil
}

// unreadable is the failure of a question about topics, which does not say about which of them.
func unreadable(names []string, err error) error {
	return &fault.FetchError{Topic: strings.Join(slices.Sorted(slices.Values(names)), ","), Partition: -1, Err: err}
}

// Partitions lists all partitions of topics, and tells found of each topic.
func (q *Questions) Partitions(ctx context.Context, names []string, found func(topic string, id kadm.TopicID, partitions int32)) (ps []topics.Partition, err error) {
	details, err := q.adm.ListTopics(ctx, names...)
	if err != nil {
		return nil, unreadable(names, err)
	}
	for _, name := range names {
		t, ok := details[name]
		switch {
		case !ok:
			return nil, &fault.FetchError{Topic: name, Partition: -1, Err: kerr.UnknownTopicOrPartition}
		case t.Err != nil:
			return nil, &fault.FetchError{Topic: name, Partition: -1, Err: t.Err}
		}
		for id, p := range t.Partitions {
			if p.Err != nil && !kerr.IsRetriable(p.Err) {
				return nil, &fault.FetchError{Topic: name, Partition: id, Err: p.Err}
			}
			ps = append(ps, topics.Partition{Topic: name, Partition: id})
		}
		found(name, t.ID, int32(len(t.Partitions)))
	}
	topics.Sort(ps)
	return ps, nil
}

// Coordinator asks for the group's.
func (q *Questions) Coordinator(ctx context.Context) error {
	found := q.adm.FindGroupCoordinators(ctx, q.group)
	resp, ok := found[q.group]
	if !ok {
		return &fault.GroupError{Group: q.group, Err: kerr.CoordinatorNotAvailable}
	}
	if resp.Err != nil {
		return &fault.GroupError{Group: q.group, Err: resp.Err}
	}
	return nil
}

// Passing reports whether a question that failed may be answered later.
func Passing(err error) bool {
	var code *kerr.Error
	if errors.As(err, &code) {
		return code.Retriable || errors.Is(err, kerr.UnknownServerError)
	}
	var user *fault.UserError
	return !errors.As(err, &user)
}
