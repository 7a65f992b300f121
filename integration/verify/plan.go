package verify

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Plan says what the input is. The same plan gives the same input again.
type Plan struct {
	// Seed decides everything that is random in it.
	Seed uint64
	// Keys is the number of keys. Each lives in one partition, so that the order of a key is the
	// order of a partition.
	Keys int
	// Records is the number of records, over all keys.
	Records int
	// Partitions is the number of partitions that keys are spread over, evenly.
	Partitions int32
	// Fans are the numbers of outputs that a record may ask for, one of them at random; nil means
	// one output each.
	Fans []int
}

// All gives the records in the order in which they are written, each with its partition.
func (p Plan) All() iter.Seq2[int32, Record] {
	return func(yield func(int32, Record) bool) {
		random := rand.New(rand.NewPCG(p.Seed, 0))
		home := random.Perm(p.Keys) // which keys meet in a partition is random too
		next := make([]int64, p.Keys)
		for range p.Records {
			key, fan := random.IntN(p.Keys), 1
			if len(p.Fans) > 0 {
				fan = p.Fans[random.IntN(len(p.Fans))]
			}
			r := Record{Key: fmt.Sprintf("key-%d", key), Seq: next[key], Fan: Fan{N: fan}}
			next[key]++
			if !yield(int32(home[key]%int(p.Partitions)), r) {
				return
			}
		}
	}
}

// freshTopic is how soon a client asks again for a topic that has just been made and has no leader
// yet; 5 s by default.
const freshTopic = 100 * time.Millisecond

// Write writes the input to a topic, with a plain client, and says where everything is.
func (p Plan) Write(ctx context.Context, addrs []string, topic string) (*Inputs, error) {
	cl, err := kgo.NewClient(
		kgo.SeedBrokers(addrs...),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.MetadataMinAge(freshTopic),
		// as many as it takes, until the context ends: a topic that was just made is there when the
		// brokers say so
		kgo.UnknownTopicRetries(-1),
	)
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	inputs := NewInputs(topic, p.Seed)
	var mu sync.Mutex
	var errs []error
	for partition, r := range p.All() {
		rec := &kgo.Record{Topic: topic, Partition: partition, Key: []byte(r.Key), Value: r.Encode()}
		cl.Produce(ctx, rec, func(rec *kgo.Record, err error) {
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				err = inputs.Add(rec.Partition, rec.Offset, r)
			}
			if err != nil {
				errs = append(errs, err)
			}
		})
	}
	if err := cl.Flush(ctx); err != nil {
		return nil, err
	}
	if len(errs) > 0 {
		return nil, fmt.Errorf("%d inputs were not written, the first: %w", len(errs), errs[0])
	}
	if inputs.Len() == 0 {
		return nil, errors.New("the plan has no records")
	}
	return inputs, nil
}
