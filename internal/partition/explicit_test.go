package partition

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// load plays the backlog of n partitions.
type load struct{ left int }

func (l *load) Next() (int, int64) { l.left--; return l.left, 0 }
func (l *load) Rem() int           { return l.left }

func pick(t kgo.TopicPartitioner, r *kgo.Record, n int) int {
	if b, ok := t.(kgo.TopicBackupPartitioner); ok {
		return b.PartitionByBackup(r, n, &load{n})
	}
	return t.Partition(r, n)
}

func TestKeysGoWhereJavaPutsThem(t *testing.T) {
	// The hashes are the Java client's Utils.murmur2, before the sign is cut
	// off.
	for key, hash := range map[string]int32{
		"0": 971027396, "1": -1993445489, "128": -326012175, "100:48069": 1009543857,
	} {
		for _, n := range []int{1, 2, 3, 7, 12, 100, 1009} {
			p := Default().ForTopic("t")
			r := &kgo.Record{Key: []byte(key), Partition: Unset}
			require.Equal(t, int(hash&0x7fffffff)%n, pick(p, r, n), "key %q of %d", key, n)
			require.True(t, p.RequiresConsistency(r))
		}
	}
}

func TestExplicitPartitionWins(t *testing.T) {
	for name, inner := range map[string]kgo.Partitioner{
		"default": Default(), "manual": kgo.ManualPartitioner(), "sticky": kgo.StickyKeyPartitioner(nil),
		"round robin": kgo.RoundRobinPartitioner(), "least backup": kgo.LeastBackupPartitioner(),
	} {
		t.Run(name, func(t *testing.T) {
			p := ExplicitFirst(inner).ForTopic("t")
			for _, key := range [][]byte{nil, {}, []byte("128")} {
				for want := range 5 {
					r := &kgo.Record{Key: key, Partition: int32(want)}
					require.Equal(t, want, pick(p, r, 5))
					require.True(t, p.RequiresConsistency(r))
				}
			}
			require.Equal(t, 9, pick(p, &kgo.Record{Partition: 9}, 5), "out of range: the client's to refuse")
		})
	}
}

func TestKeylessStaysAndMovesOn(t *testing.T) {
	p := Default().ForTopic("t")
	r := &kgo.Record{Value: make([]byte, 1000), Partition: Unset}
	require.False(t, p.RequiresConsistency(r))
	seen := map[int]bool{}
	runs, last := 0, -1
	for range 10_000 {
		got := pick(p, r, 5)
		require.Less(t, got, 5)
		if got != last {
			runs, last = runs+1, got
		}
		seen[got] = true
	}
	require.Len(t, seen, 5)
	require.Less(t, runs, 200, "64 of 1000 bytes stay together")
}

func TestOptionalInterfacesAreInners(t *testing.T) {
	for name, c := range map[string]struct {
		inner         kgo.Partitioner
		backup, batch bool
	}{
		"uniform":      {kgo.UniformBytesPartitioner(64<<10, true, true, nil), true, false},
		"sticky":       {kgo.StickyPartitioner(), false, true},
		"least backup": {kgo.LeastBackupPartitioner(), true, true},
		"round robin":  {kgo.RoundRobinPartitioner(), false, false},
	} {
		t.Run(name, func(t *testing.T) {
			p := ExplicitFirst(c.inner).ForTopic("t")
			_, backup := p.(kgo.TopicBackupPartitioner)
			_, batch := p.(kgo.TopicPartitionerOnNewBatch)
			require.Equal(t, c.backup, backup)
			require.Equal(t, c.batch, batch)
		})
	}
}

// counting counts the ends of batches.
type counting struct{ batches int }

func (c *counting) ForTopic(string) kgo.TopicPartitioner { return c }
func (*counting) RequiresConsistency(*kgo.Record) bool   { return false }
func (*counting) Partition(*kgo.Record, int) int         { return 0 }
func (c *counting) OnNewBatch()                          { c.batches++ }

func TestAnExplicitRecordsBatchIsNotInners(t *testing.T) {
	c := &counting{}
	p := ExplicitFirst(c).ForTopic("t")
	p.Partition(&kgo.Record{Partition: 1}, 2)
	p.(kgo.TopicPartitionerOnNewBatch).OnNewBatch()
	require.Zero(t, c.batches)
	p.Partition(&kgo.Record{Partition: Unset}, 2)
	p.(kgo.TopicPartitionerOnNewBatch).OnNewBatch()
	require.Equal(t, 1, c.batches)
}

func TestWrappingOnceIsEnough(t *testing.T) {
	inner := kgo.RoundRobinPartitioner()
	p := ExplicitFirst(inner)
	require.Same(t, p, ExplicitFirst(p))
	require.True(t, Honours(p))
	require.False(t, Honours(inner))
	require.False(t, Honours(nil))
	require.Equal(t, inner, Inner(p))
	require.Equal(t, inner, Inner(inner))
}

func TestAPanicFailsTheRecordAlone(t *testing.T) {
	boom := errors.New("boom")
	p := ExplicitFirst(kgo.BasicConsistentPartitioner(func(string) func(*kgo.Record, int) int {
		return func(*kgo.Record, int) int { panic(boom) }
	})).ForTopic("t")
	r := &kgo.Record{Partition: Unset, Context: context.Background()}
	require.Negative(t, pick(p, r, 3))
	require.ErrorIs(t, Panic(r), boom)
	require.NotEmpty(t, Panic(r).Stack)

	other := &kgo.Record{Partition: 2, Context: context.Background()}
	require.Equal(t, 2, pick(p, other, 3))
	require.Nil(t, Panic(other))
	require.Nil(t, Panic(&kgo.Record{}))
}

// making panics where it is to make a topic's partitioner.
type making struct{ err error }

func (m making) ForTopic(string) kgo.TopicPartitioner { panic(m.err) }

func TestAPanicOfForTopicFailsTheTopicsRecords(t *testing.T) {
	boom := errors.New("boom")
	p := ExplicitFirst(making{boom}).ForTopic("t")
	for range 3 {
		r := &kgo.Record{Partition: Unset, Context: context.Background()}
		require.True(t, p.RequiresConsistency(r))
		require.Negative(t, pick(p, r, 3))
		require.ErrorIs(t, Panic(r), boom)
		require.NotEmpty(t, Panic(r).Stack)
	}
	named := &kgo.Record{Partition: 2, Context: context.Background()}
	require.Equal(t, 2, pick(p, named, 3), "none of the inner one's business")
	require.Nil(t, Panic(named))
	require.Negative(t, pick(p, &kgo.Record{Partition: Unset}, 3), "without a context")
}

// turning panics at the end of a batch.
type turning struct {
	kgo.TopicPartitioner
	err error
}

func (b turning) OnNewBatch() { panic(b.err) }

// turningByBackup does so, and looks at the backlog.
type turningByBackup struct {
	turning
	kgo.TopicBackupPartitioner
}

func (b turningByBackup) RequiresConsistency(r *kgo.Record) bool {
	return b.turning.RequiresConsistency(r)
}
func (b turningByBackup) Partition(r *kgo.Record, n int) int { return b.turning.Partition(r, n) }

type each func(string) kgo.TopicPartitioner

func (f each) ForTopic(topic string) kgo.TopicPartitioner { return f(topic) }

func TestAPanicOfOnNewBatchFailsItsRecordAlone(t *testing.T) {
	boom := errors.New("boom")
	for name, inner := range map[string]each{
		"by count": func(s string) kgo.TopicPartitioner {
			return turning{kgo.RoundRobinPartitioner().ForTopic(s), boom}
		},
		"by backup": func(s string) kgo.TopicPartitioner {
			t := kgo.LeastBackupPartitioner().ForTopic(s)
			return turningByBackup{turning{t, boom}, t.(kgo.TopicBackupPartitioner)}
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := ExplicitFirst(inner).ForTopic("t")
			_, byBackup := p.(kgo.TopicBackupPartitioner)
			require.Equal(t, name == "by backup", byBackup)
			for range 3 {
				// What franz-go does for a record that needs a new batch.
				r := &kgo.Record{Partition: Unset, Context: context.Background()}
				require.GreaterOrEqual(t, pick(p, r, 3), 0)
				p.(kgo.TopicPartitionerOnNewBatch).OnNewBatch()
				require.Negative(t, pick(p, r, 3))
				require.ErrorIs(t, Panic(r), boom)

				next := &kgo.Record{Partition: Unset, Context: context.Background()}
				require.GreaterOrEqual(t, pick(p, next, 3), 0)
				require.Nil(t, Panic(next))
			}
		})
	}
}
