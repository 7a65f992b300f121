package memory

import (
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/internal/topics"
)

// FetchSize learns how much larger records become in memory than they were in the broker's
// response, and how many there are in it, so that what the client fetches ahead fits its part of
// the budget. It is a hook of the client.
type FetchSize struct {
	o FetchSizes // written by Begin, before the client fetches

	// The poller's alone.
	polls     int
	told      int64
	toldShare int64

	mu                        sync.Mutex // guards what follows; the client's goroutines write it
	packed, unpacked, records int64
	arrived                   map[topics.Partition]arrival
}

// arrival is what was read of a partition and not taken: bytes and records of batches, and of the
// largest one.
type arrival struct{ bytes, largest, records, most int64 }

// FetchSizes are what a [FetchSize] has to keep to.
type FetchSizes struct {
	// Total is the user's budget.
	Total Load
	// PerRecord is what a record takes beside its bytes, with the element of ours.
	PerRecord int64
	// Most is the largest fetch that the user allows, and MostOfPartition what of it may be one
	// partition's.
	Most, MostOfPartition int64
	// Set tells the client.
	Set func(bytes, ofPartition int32)
}

// smallestFetch is what a fetch may always bring; and a broker gives one batch at least, whatever
// its size.
const smallestFetch = 8 << 10

// smallestOfPartition is what it may always bring of one partition.
const smallestOfPartition = smallestFetch / 4

var _ kgo.HookFetchBatchRead = (*FetchSize)(nil)

// Begin is called once there is a client, before it fetches: while nothing is known of the records,
// the first fetch fits even where they were compressed a hundred times, and where they take eight
// bytes.
func (f *FetchSize) Begin(o FetchSizes) {
	f.o = o
	f.tell(min(o.Total.Bytes/128, o.Total.Records), 1, false)
}

// Take returns what records of a partition, which the client has given out, take in memory beside
// themselves: the batches that they were in. That is what was read of the partition since it was
// taken from last; but not all that was read is given out. The client throws away what it has of
// partitions that are paused and, of all, when it is set back, and reads it again later; and some
// of that may arrive after [FetchSize.Drop]. So it is no more than the records' own bytes and one
// batch, as they may begin in the middle of one; and no less than their own bytes, as those of the
// next response may be among what was read, and are missing there then. Mostly as many records were
// read as are given out, but for a part of one batch, and then nobody has to look at each of them.
func (f *FetchSize) Take(p topics.Partition, recs []*kgo.Record) int64 {
	f.mu.Lock()
	at := f.arrived[p]
	delete(f.arrived, p)
	f.mu.Unlock()
	if n := int64(len(recs)); n <= at.records && at.records <= n+at.most {
		return at.bytes
	}
	own := int64(0)
	for _, r := range recs {
		own += int64(len(r.Key) + len(r.Value))
		for i := range r.Headers {
			own += int64(len(r.Headers[i].Key) + len(r.Headers[i].Value))
		}
	}
	return max(own, min(at.bytes, own+recordFraming*int64(len(recs))+at.largest))
}

// recordFraming is what a record takes in a batch beside its key, value and headers, at most
// mostly.
const recordFraming = 16

// Drop says that the client throws away what it has fetched of partitions: they are paused, or
// gone.
func (f *FetchSize) Drop(ps ...topics.Partition) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range ps {
		delete(f.arrived, p)
	}
}

// DropAll is Drop of all partitions: the client was set back.
func (f *FetchSize) DropAll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.arrived)
}

// OnFetchBatchRead implements kgo.HookFetchBatchRead.
func (f *FetchSize) OnFetchBatchRead(_ kgo.BrokerMetadata, topic string, partition int32, m kgo.FetchBatchMetrics) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.arrived == nil {
		f.arrived = map[topics.Partition]arrival{}
	}
	p, bytes := topics.Partition{Topic: topic, Partition: partition}, int64(m.UncompressedBytes)
	at := f.arrived[p]
	records := int64(m.NumRecords)
	f.arrived[p] = arrival{at.bytes + bytes, max(at.largest, bytes), at.records + records, max(at.most, records)}
	f.packed += int64(m.CompressedBytes)
	f.unpacked += int64(m.UncompressedBytes) + f.o.PerRecord*int64(m.NumRecords)
	f.records += int64(m.NumRecords)
}

// ratio is what the records were in responses, and what they are in memory; what was long ago
// counts less.
func (f *FetchSize) ratio() (packed, unpacked, records int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	packed, unpacked, records = f.packed, f.unpacked, f.records
	if packed > 64<<20 {
		f.packed, f.unpacked, f.records = packed/2, unpacked/2, records/2
	}
	return packed, unpacked, records
}

// Fetching is what the size of fetches depends on besides what was learnt.
type Fetching struct {
	// Brokers is how many answer at the same time.
	Brokers int
	// Partitions is how many are assigned.
	Partitions int
	// Strained says that slow partitions hold all of the budget.
	Strained bool
}

// Polled is told of each poll by the poller, and sets the size of fetches now and then: every
// sixteenth poll, or when the budget is full. Only then now is asked.
func (f *FetchSize) Polled(full bool, now func() Fetching) {
	if f.polls++; f.polls%16 != 1 && !full {
		return
	}
	packed, unpacked, records := f.ratio()
	if packed == 0 {
		return
	}
	size := float64(f.o.Total.Bytes) * float64(packed) / float64(max(unpacked, packed))
	if records > 0 {
		size = min(size, float64(f.o.Total.Records)*float64(packed)/float64(records))
	}
	at := now()
	f.tell(int64(size)/fetchesInBudget/int64(max(1, at.Brokers)), at.Partitions, at.Strained)
}

// tell sets the size of fetches, where it would change by a quarter, and what of it may be one
// partition's.
func (f *FetchSize) tell(size int64, parts int, strained bool) {
	size = max(min(size, f.o.Most), smallestFetch)
	if f.told != 0 && size < f.told+f.told/4 && size > f.told-f.told/4 {
		size = f.told
	}
	share := ofPartition(size, parts, strained)
	if f.told == size && f.toldShare == share {
		return
	}
	f.told, f.toldShare = size, share
	f.o.Set(int32(size), int32(min(share, f.o.MostOfPartition)))
}

// ofPartition is what a fetch may bring of a partition: one that has much to read leaves room for
// others in each response. While the budget is strained it is half of one partition's share, where
// that is less ([Budget.Share]); and several small batches in any case, as the brokers leave a
// partition out whose next batch is larger.
func ofPartition(size int64, parts int, strained bool) int64 {
	n := int64(max(1, parts))
	share := size / min(4, n)
	if strained {
		share = min(share, max(fetchesInLimit*size/n/2, smallestOfPartition))
	}
	return share
}
