//go:build synctests

package memory_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/internal/memory"
	"github.com/vicuna-go/vicuna/internal/topics"
	"github.com/vicuna-go/vicuna/kafkatest"
)

// What the client has fetched of a partition and has thrown away, because that was paused before it
// was polled, or because the client was set back, is not charged with what is delivered.
func TestFetchedAndThrownAway(t *testing.T) {
	const records, size, own, framing = 100, 1000, 100 * 1000, 16
	tp := topics.Partition{Topic: "in"}
	for name, one := range map[string]bool{"a batch of each record": false, "one batch": true} {
		for what, throwAway := range map[string]func(cl *kgo.Client, poll func()){
			"paused": func(cl *kgo.Client, poll func()) {
				cl.PauseFetchPartitions(map[string][]int32{"in": {0}})
				poll()
				cl.ResumeFetchPartitions(map[string][]int32{"in": {0}})
			},
			"set back": func(cl *kgo.Client, _ func()) {
				cl.SetOffsets(map[string]map[int32]kgo.EpochOffset{"in": {0: {Epoch: -1, Offset: 0}}})
			},
		} {
			for _, told := range []bool{true, false} {
				t.Run(name+", "+what+map[bool]string{true: ", told", false: ", not told"}[told], func(t *testing.T) {
					grouptest.OnBroker(t, func(t *testing.T, k *kafkatest.Broker) {
						k.CreateTopic(t, "in", 1)
						var all []*kgo.Record
						for range records {
							all = append(all, &kgo.Record{Value: make([]byte, size)})
						}
						if one {
							kafkatest.ProduceTo(t, k, "in", 0, all...)
						} else {
							for _, r := range all {
								kafkatest.ProduceTo(t, k, "in", 0, r)
							}
						}
						var f memory.FetchSize
						cl, err := kgo.NewClient(append(k.ClientOptions(), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{"in": {0: kgo.NewOffset().AtStart()}}),
							kgo.WithHooks(&f), kgo.FetchMaxWait(100*time.Millisecond))...)
						require.NoError(t, err)
						defer cl.Close()
						for range 4 {
							for cl.BufferedFetchRecords() == 0 {
								<-time.After(10 * time.Millisecond)
							}
							throwAway(cl, func() {
								ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
								defer cancel()
								require.Zero(t, cl.PollFetches(ctx).NumRecords())
							})
							if told {
								f.Drop(tp)
							}
						}
						charged, n := int64(0), 0
						for n < records {
							fetches := cl.PollFetches(context.Background())
							fetches.EachPartition(func(p kgo.FetchTopicPartition) {
								charged += f.Take(tp, p.Records)
								n += len(p.Records)
							})
						}
						require.GreaterOrEqual(t, charged, int64(own))
						const whole = own + framing*records
						batch := int64(size + framing)
						if one {
							batch = whole
						}
						if told {
							batch = 0 // what was thrown away was said
						}
						require.LessOrEqual(t, charged, whole+batch)
					})
				})
			}
		}
	}
}
