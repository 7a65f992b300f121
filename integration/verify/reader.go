package verify

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// reader reads output topics from their beginning into a log, with a plain client and outside of
// any group.
type reader struct {
	cl   *kgo.Client
	log  *Log
	next map[partition]int64
}

func newReader(addrs []string, topics []string, isolation kgo.IsolationLevel, log *Log) (*reader, error) {
	cl, err := kgo.NewClient(
		kgo.SeedBrokers(addrs...),
		kgo.ConsumeTopics(topics...),
		kgo.ConsumeStartOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(isolation),
		kgo.FetchMaxWait(100*time.Millisecond),
		kgo.MetadataMinAge(freshTopic),
		// for the position: the last thing in a partition may be a transaction's marker
		kgo.KeepControlRecords(),
	)
	if err != nil {
		return nil, err
	}
	return &reader{cl: cl, log: log, next: map[partition]int64{}}, nil
}

// readTo reads until everything before the ends has been read.
func (r *reader) readTo(ctx context.Context, ends map[partition]int64) error {
	for !r.reached(ends) {
		fetches := r.cl.PollFetches(ctx)
		var errs []error
		fetches.EachRecord(func(rec *kgo.Record) {
			p := partition{rec.Topic, rec.Partition}
			if next := r.next[p]; rec.Offset < next {
				errs = append(errs, fmt.Errorf("%v was read after offset %d", Position{rec.Topic, rec.Partition, rec.Offset}, next-1))
			}
			r.next[p] = rec.Offset + 1
			if !rec.Attrs.IsControl() {
				r.log.Add(rec.Topic, rec.Partition, rec.Offset, rec.Key, rec.Value)
			}
		})
		if err := errors.Join(append(errs, fetches.Err())...); err != nil {
			return fmt.Errorf("read outputs: %w", err)
		}
	}
	return nil
}

func (r *reader) reached(ends map[partition]int64) bool {
	for p, end := range ends {
		if r.next[p] < end {
			return false
		}
	}
	return true
}

func (r *reader) close() { r.cl.Close() }
