package consumer

import (
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

// fetchSize learns how much larger records become in memory than they were in the broker's
// response, and how many there are in it, so that what the client fetches ahead fits its part of
// the budget. It is a hook of the client.
type fetchSize struct {
	told, polls int   // the poller's
	toldShare   int32 // the poller's
	ofPartition int32 // the most that a fetch brings of a partition, as the client was made
	perRecord   int64 // what a record takes beside its bytes, with the element of ours

	mu                        sync.Mutex
	packed, unpacked, records int64
	arrived                   map[TopicPartition]int64
}

// take returns the bytes of a partition that were read since it was asked last. Those of the next
// response may be among them, and are missing there then: over all they are as many as there are,
// and nobody has to look at each record.
func (f *fetchSize) take(p TopicPartition) int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.arrived[p]
	delete(f.arrived, p)
	return n
}

var _ kgo.HookFetchBatchRead = (*fetchSize)(nil)

// OnFetchBatchRead implements kgo.HookFetchBatchRead.
func (f *fetchSize) OnFetchBatchRead(_ kgo.BrokerMetadata, topic string, partition int32, m kgo.FetchBatchMetrics) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.arrived == nil {
		f.arrived = map[TopicPartition]int64{}
	}
	f.arrived[TopicPartition{Topic: topic, Partition: partition}] += int64(m.UncompressedBytes)
	f.packed += int64(m.CompressedBytes)
	f.unpacked += int64(m.UncompressedBytes) + f.perRecord*int64(m.NumRecords)
	f.records += int64(m.NumRecords)
}

// smallestFetch is what a fetch may always bring; and a broker gives one batch at least, whatever
// its size.
const smallestFetch = 8 << 10

// firstFetch is how much the first fetch may bring, while nothing is known of the records: it fits
// even where they were compressed a hundred times, and where they take eight bytes.
func (s *session[K, V, T]) firstFetch() {
	s.fetchSize.ofPartition = s.cl.OptValue(kgo.FetchMaxPartitionBytes).(int32)
	total, most := s.cfg.Budget()
	s.tellFetch(min(int64(total)/128, int64(most)))
}

// ratio is what the records were in responses, and what they are in memory; what was long ago
// counts less.
func (f *fetchSize) ratio() (packed, unpacked, records int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	packed, unpacked, records = f.packed, f.unpacked, f.records
	if packed > 64<<20 {
		f.packed, f.unpacked, f.records = packed/2, unpacked/2, records/2
	}
	return packed, unpacked, records
}

// fitFetches sets the size of fetches now and then: every sixteenth poll, or when the budget is
// full.
func (s *session[K, V, T]) fitFetches() {
	f := &s.fetchSize
	if f.polls++; f.polls%16 != 1 && !s.budget.full() {
		return
	}
	packed, unpacked, records := f.ratio()
	if packed == 0 {
		return
	}
	brokers := int64(max(1, len(s.cl.DiscoveredBrokers())))
	total, most := s.cfg.Budget()
	size := float64(total) * float64(packed) / float64(max(unpacked, packed))
	if records > 0 {
		size = min(size, float64(most)*float64(packed)/float64(records))
	}
	s.tellFetch(int64(size) / fetchesInBudget / brokers)
}

// So many responses are in the budget, and in what of it is for records that were delivered.
const (
	fetchesInBudget = 8
	fetchesInLimit  = 3
)

// tellFetch sets the size of fetches, where it would change by a quarter, and what of it may be one
// partition's.
func (s *session[K, V, T]) tellFetch(size int64) {
	f := &s.fetchSize
	size = max(min(size, int64(s.cfg.FetchMaxBytes())), smallestFetch)
	if told := int64(f.told); told != 0 && size < told+told/4 && size > told-told/4 {
		size = told
	}
	share := s.fetchShare(size)
	if f.told == int(size) && f.toldShare == share {
		return
	}
	f.told, f.toldShare = int(size), share
	s.cl.UpdateFetchMaxBytes(int32(size), min(share, f.ofPartition))
}

// fetchShare is what a fetch may bring of a partition: one that has much to read leaves room for
// others in each response. While the budget is strained it is one partition's part, where that is
// less; and several batches in any case, as the brokers leave a partition out whose next batch is
// larger.
func (s *session[K, V, T]) fetchShare(size int64) int32 {
	s.mu.Lock()
	parts := int64(max(1, len(s.parts)))
	s.mu.Unlock()
	share := size / min(4, parts)
	if s.strained.Load() {
		share = min(share, max(fetchesInLimit*size/parts, smallestFetch/4))
	}
	return int32(share)
}
