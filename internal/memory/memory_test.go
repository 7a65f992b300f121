package memory_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/internal/memory"
	"github.com/vicuna-go/vicuna/internal/topics"
)

// Three eighths of the bytes and half of the records are for what was delivered; as much again is
// for partitions that hold less than their share.
func TestBudget(t *testing.T) {
	freed := 0
	b := memory.NewBudget(memory.Load{Bytes: 8000, Records: 100}, func() { freed++ })
	l := b.Lease()
	l.Add(2999, 10)
	b.Charge(2999, 10)
	require.False(t, b.Full())
	b.Charge(1, 0)
	require.True(t, b.Full())
	require.False(t, b.Exhausted())
	b.Charge(3000, 0)
	require.True(t, b.Exhausted())
	l.Done()
	require.EqualValues(t, 6000, b.Used(), "a delivery is still under the lease")
	l.Done()
	require.EqualValues(t, 3001, b.Used())
	require.Equal(t, 1, freed)
	b.Free(3001, 0)
	require.False(t, b.Full())
	b.Charge(0, 50)
	require.True(t, b.Full(), "records count, too")
}

func TestShare(t *testing.T) {
	b := memory.NewBudget(memory.Load{Bytes: 8 << 20, Records: 2000}, func() {})
	require.Equal(t, memory.Load{Bytes: 3 << 20, Records: 1000}, b.Share(0, false))
	require.Equal(t, memory.Load{Bytes: 3 << 18, Records: 250}, b.Share(4, false))
	require.Equal(t, memory.Load{Bytes: 64 << 10, Records: 16}, b.Share(1000, false), "not so little that each fetch would stop it")
	require.Equal(t, memory.Load{Bytes: 3 << 18, Records: 250}, b.Share(4, true))
	require.Equal(t, memory.Load{Bytes: 3 << 20 / 1000, Records: 1}, b.Share(1000, true), "what there is for each")
	require.Equal(t, memory.Load{Bytes: 2 << 10, Records: 1}, b.Share(10_000, true))
	require.True(t, memory.Load{Bytes: 5}.Exceeds(1, memory.Load{Bytes: 4, Records: 9}))
	require.True(t, memory.Load{Records: 19}.Exceeds(2, memory.Load{Bytes: 4, Records: 9}))
	require.False(t, memory.Load{Bytes: 8, Records: 18}.Exceeds(2, memory.Load{Bytes: 4, Records: 9}))
}

// A lease under another keeps that alive.
func TestLeaseUnderAnother(t *testing.T) {
	var order []string
	parent := memory.NewLease(func(int64, int) { order = append(order, "parent") })
	child := memory.NewLease(func(int64, int) { order = append(order, "child") }).Under(parent)
	parent.Add(100, 1)
	child.Add(7, 1)
	parent.Done()
	parent.Done()
	require.EqualValues(t, 107, child.Bytes())
	child.Done()
	require.Empty(t, order)
	child.Done()
	require.Equal(t, []string{"child", "parent"}, order)
	var none *memory.Lease
	require.Zero(t, none.Bytes())
}

func TestFetchSize(t *testing.T) {
	var told, ofPartition int32
	calls := 0
	var f memory.FetchSize
	f.Begin(memory.FetchSizes{
		Total: memory.Load{Bytes: 64 << 20, Records: 1 << 20}, PerRecord: 200, Most: 50 << 20, MostOfPartition: 1 << 20,
		Set: func(bytes, part int32) { told, ofPartition, calls = bytes, part, calls+1 },
	})
	require.EqualValues(t, 512<<10, told, "a 128th of the budget, while nothing is known")
	require.EqualValues(t, 512<<10, ofPartition)
	f.Polled(false, func() memory.Fetching { return memory.Fetching{Brokers: 1, Partitions: 4, Strained: false} })
	require.Equal(t, 1, calls, "nothing was read yet")
	p := topics.Partition{Topic: "t", Partition: 1}
	read := func(packed, unpacked, records int) {
		f.OnFetchBatchRead(kgo.BrokerMetadata{}, "t", 1, kgo.FetchBatchMetrics{CompressedBytes: packed, UncompressedBytes: unpacked, NumRecords: records})
	}
	read(1000, 8000, 10) // ten times as large in memory
	require.EqualValues(t, 8000, f.Take(p, []*kgo.Record{{Value: make([]byte, 7900)}}))
	require.Zero(t, f.Take(p, nil))
	f.Polled(true, func() memory.Fetching { return memory.Fetching{Brokers: 4, Partitions: 8, Strained: false} })
	require.EqualValues(t, 64<<20/10/8/4, told)
	require.EqualValues(t, told/4, ofPartition)
	f.Polled(true, func() memory.Fetching { return memory.Fetching{Brokers: 4, Partitions: 100, Strained: true} })
	require.EqualValues(t, max(3*told/100/2, 2<<10), ofPartition, "strained: half of a share, which leaves others room")
	before := calls
	read(1000, 8000, 10)
	f.Polled(true, func() memory.Fetching { return memory.Fetching{Brokers: 4, Partitions: 100, Strained: true} })
	require.Equal(t, before, calls, "nothing has changed by a quarter")
	for range 100 {
		f.Polled(false, func() memory.Fetching { return memory.Fetching{Brokers: 4, Partitions: 2, Strained: true} })
	}
	require.Equal(t, before+1, calls, "each sixteenth poll is looked at")
}

// What a pool gives is at most a quarter larger than was asked for, and comes back into a class
// that it fits.
func TestPools(t *testing.T) {
	var p memory.Pools
	for _, n := range []int{0, 1, 5, 16, 17, 100, 1023, 1024, 1025, 100_000} {
		s := p.GetRecords(n)
		require.Empty(t, s)
		require.GreaterOrEqual(t, cap(s), n)
		require.LessOrEqual(t, cap(s), max(n, 1)+max(n, 1)/4+1)
		p.PutRecords(s)
		require.GreaterOrEqual(t, cap(p.GetRecords(n)), n)
	}
}

type block struct{ back *int }

func (b block) PutBack() { *b.back++ }

func TestLotGivesItsBlocksBack(t *testing.T) {
	back := 0
	l := memory.NewLot([]*kgo.Record{{}, {}})
	l.Add(block{&back})
	l.Add(block{&back})
	l.Finished()
	require.Equal(t, 2, back)
}
