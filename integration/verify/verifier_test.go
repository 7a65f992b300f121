package verify

import (
	"errors"
	"fmt"
	"hash/crc32"
	"testing"

	"github.com/stretchr/testify/require"
)

// sealed is a value with a right checksum, whatever it says.
func sealed(text string) []byte {
	return fmt.Appendf(nil, "%s|%08x", text, crc32.Checksum([]byte(text), castagnoli))
}

// run is a run made by hand: two input partitions, "a" and "b" by turns in the first, "c" in the
// second, with fan-outs of 1, 0 and 2.
type run struct {
	t  *testing.T
	in *Inputs
	v  *Verifier

	written map[partition]int64 // next offsets of the outputs
	log     []func(*Log)        // what a reader at the end sees
}

func newRun(t *testing.T) *run {
	in := NewInputs("in", 42)
	seq := map[string]int64{}
	add := func(partition int32, offset int64, key string, n int) {
		require.NoError(t, in.Add(partition, offset, Record{Key: key, Seq: seq[key], Fan: Fan{N: n}}))
		seq[key]++
	}
	for i := range int64(10) {
		add(0, i, string(rune('a'+i%2)), 1)
		add(1, i*2, "c", int(i%3)) // with gaps in the offsets
	}
	return &run{t: t, in: in, v: New(in), written: map[partition]int64{}}
}

// raw writes any record.
func (r *run) raw(partitionNumber int32, key string, value []byte) {
	p := partition{"out", partitionNumber}
	at := r.written[p]
	r.written[p]++
	add := func(l *Log) { l.Add("out", partitionNumber, at, []byte(key), value) }
	add(r.v.log)
	r.log = append(r.log, add)
}

// output writes output i of the input at the offset of the partition.
func (r *run) output(partition int32, offset int64, i int, attempt string) {
	src := Position{"in", partition, offset}
	in := r.in.find(src)
	require.NotNil(r.t, in)
	r.raw(partition, in.Key, in.Output(src, attempt, i).Encode())
}

// outputs writes all outputs of the inputs of a partition from one offset to before another.
func (r *run) outputs(partition int32, from, to int64, attempt string) {
	for offset := from; offset < to; offset++ {
		if in := r.in.find(Position{"in", partition, offset}); in != nil {
			for i := range in.Fan.N {
				r.output(partition, offset, i, attempt)
			}
		}
	}
}

// finish ends the run with these offsets.
func (r *run) finish(first, second int64) Report {
	final, uncommitted := NewLog(r.in), NewLog(r.in)
	for _, add := range r.log {
		add(final)
		add(uncommitted)
	}
	r.v.Finish(map[int32]int64{0: first, 1: second}, final, uncommitted)
	rep := r.v.Report()
	r.t.Log(rep)
	return rep
}

var violations = []error{ErrNothing, ErrLoss, ErrDuplicate, ErrOrder, ErrEarly, ErrBack, ErrBehind, ErrDiverge, ErrCorrupt, ErrForeign}

// requireOnly wants these violations and no other.
func requireOnly(t *testing.T, err error, want ...error) {
	t.Helper()
	for _, v := range violations {
		if !contains(want, v) {
			require.NotErrorIs(t, err, v)
			continue
		}
		require.ErrorIs(t, err, v)
	}
	if len(want) == 0 {
		require.NoError(t, err)
	}
}

func contains(errs []error, err error) bool {
	for _, e := range errs {
		if errors.Is(e, err) {
			return true
		}
	}
	return false
}

func TestCleanRun(t *testing.T) {
	r := newRun(t)
	r.v.Observe(nil)
	r.outputs(0, 0, 4, "one")
	r.v.Observe(map[int32]int64{0: 4, 1: 1}) // the input at 0 of the second asks for nothing
	r.outputs(1, 0, 19, "two")
	r.v.Observe(map[int32]int64{0: 4, 1: 19})
	r.outputs(0, 4, 10, "one")
	rep := r.finish(10, 19)
	requireOnly(t, rep.AtLeastOnce())
	require.NoError(t, rep.NoDuplicates())
	require.Equal(t, uint64(42), rep.Seed)
	require.Equal(t, 20, rep.Inputs)
	require.Equal(t, 19, rep.Expected)
	require.Equal(t, 19, rep.Outputs)
	require.Equal(t, map[string]Attempt{"one": {First: 10}, "two": {First: 9}}, rep.Attempts)
	require.Equal(t, 3, rep.Rounds)
}

// A worker dies after it produced and before it committed, and another one begins where offsets
// were committed; one that does not know yet that it lost the partition goes on for a while.
func TestCleanRunWithDuplicates(t *testing.T) {
	r := newRun(t)
	r.outputs(0, 0, 6, "dead")
	r.v.Observe(map[int32]int64{0: 2})
	r.outputs(0, 2, 5, "alive")
	r.output(0, 6, 0, "dead") // one ahead of all
	r.outputs(0, 5, 10, "alive")
	r.output(0, 7, 0, "dead")
	r.outputs(1, 0, 19, "alive")
	rep := r.finish(10, 19)
	requireOnly(t, rep.AtLeastOnce())
	require.ErrorIs(t, rep.NoDuplicates(), ErrDuplicate)
	require.Equal(t, 6, rep.Duplicates.Count)
	require.Contains(t, rep.Duplicates.First, "in:0:2", "it names the first one")
	require.Contains(t, rep.Duplicates.First, "by dead")
	require.Equal(t, Attempt{First: 7, Duplicates: 1}, rep.Attempts["dead"])
}

func TestLossIsCaught(t *testing.T) {
	r := newRun(t)
	r.outputs(0, 0, 7, "one")
	r.outputs(0, 8, 10, "one")
	r.outputs(1, 0, 19, "one")
	rep := r.finish(7, 19) // the offset is honest
	requireOnly(t, rep.AtLeastOnce(), ErrLoss, ErrBehind)
	require.Equal(t, 1, rep.Lost.Count)
	require.Contains(t, rep.Lost.First, "output 0 of in:0:7")
}

// One of two outputs of one input is missing.
func TestPartialLossIsCaught(t *testing.T) {
	r := newRun(t)
	r.outputs(0, 0, 10, "one")
	r.outputs(1, 0, 4, "one")
	r.output(1, 4, 0, "one")
	r.outputs(1, 5, 19, "one")
	rep := r.finish(10, 19)
	requireOnly(t, rep.AtLeastOnce(), ErrLoss, ErrEarly)
	require.Equal(t, 1, rep.Lost.Count)
	require.Contains(t, rep.Lost.First, "output 1 of in:1:4")
	require.Contains(t, rep.Early.First, "in:1:19 is committed: in:1:4")
	require.Contains(t, rep.Early.First, "has 1 outputs")
}

func TestInversionIsCaught(t *testing.T) {
	r := newRun(t)
	r.output(0, 1, 0, "one") // b before a is no inversion
	r.output(0, 0, 0, "one")
	r.output(0, 4, 0, "one")
	r.output(0, 2, 0, "one") // a
	r.outputs(0, 3, 4, "one")
	r.outputs(0, 5, 10, "one")
	r.outputs(1, 0, 19, "one")
	rep := r.finish(10, 19)
	requireOnly(t, rep.AtLeastOnce(), ErrOrder)
	require.Equal(t, 1, rep.Inversions.Count)
	require.Contains(t, rep.Inversions.First, "in:0:2")
}

// The outputs of one input have an order too.
func TestFanOutInversionIsCaught(t *testing.T) {
	r := newRun(t)
	r.outputs(0, 0, 10, "one")
	r.outputs(1, 0, 4, "one")
	r.output(1, 4, 1, "one")
	r.output(1, 4, 0, "one")
	r.outputs(1, 5, 19, "one")
	rep := r.finish(10, 19)
	requireOnly(t, rep.AtLeastOnce(), ErrOrder)
	require.Equal(t, 1, rep.Inversions.Count)
}

// A duplicate that comes late is no inversion, and does not hide one.
func TestDuplicatesHaveNoOrder(t *testing.T) {
	r := newRun(t)
	r.outputs(0, 0, 10, "one")
	r.output(0, 0, 0, "two")
	r.outputs(1, 0, 19, "one")
	requireOnly(t, r.finish(10, 19).AtLeastOnce())
}

func TestEarlyOffsetIsCaught(t *testing.T) {
	r := newRun(t)
	r.outputs(0, 0, 3, "one")
	r.v.Observe(map[int32]int64{0: 4}) // one too far, and later it is all there
	r.outputs(0, 3, 10, "one")
	r.outputs(1, 0, 19, "one")
	rep := r.finish(10, 19)
	requireOnly(t, rep.AtLeastOnce(), ErrEarly)
	require.Equal(t, 1, rep.Early.Count)
	require.Contains(t, rep.Early.First, "in:0:4 is committed: in:0:3")
}

// An offset after the last input covers something that does not exist.
func TestOffsetBehindTheEndIsCaught(t *testing.T) {
	r := newRun(t)
	r.outputs(0, 0, 10, "one")
	r.outputs(1, 0, 19, "one")
	rep := r.finish(11, 19)
	requireOnly(t, rep.AtLeastOnce(), ErrEarly)
	require.Contains(t, rep.Early.First, "the input ends before it")
}

// Inputs with no output do not hide that one before them is missing.
func TestEarlyOffsetBeforePassThroughIsCaught(t *testing.T) {
	r := newRun(t)
	r.v.Observe(map[int32]int64{1: 1})
	requireOnly(t, r.v.Report().AtLeastOnce(), ErrNothing, ErrLoss)
	r.v.Observe(map[int32]int64{1: 3})
	requireOnly(t, r.v.Report().AtLeastOnce(), ErrNothing, ErrLoss, ErrEarly)
}

func TestOffsetThatWentBackIsCaught(t *testing.T) {
	for name, back := range map[string]map[int32]int64{"to a lower one": {0: 3}, "to none": {}} {
		t.Run(name, func(t *testing.T) {
			r := newRun(t)
			r.outputs(0, 0, 10, "one")
			r.outputs(1, 0, 19, "one")
			r.v.Observe(map[int32]int64{0: 4})
			r.v.Observe(back)
			r.v.Observe(back)
			rep := r.finish(10, 19)
			requireOnly(t, rep.AtLeastOnce(), ErrBack)
			require.Equal(t, 1, rep.Back.Count)
		})
	}
}

func TestOffsetsShortOfTheEndAreCaught(t *testing.T) {
	r := newRun(t)
	r.outputs(0, 0, 10, "one")
	r.outputs(1, 0, 19, "one")
	rep := r.finish(9, 19)
	requireOnly(t, rep.AtLeastOnce(), ErrBehind)
	require.Equal(t, 1, rep.Behind.Count)
	require.Contains(t, rep.Behind.First, "in:0:9")
}

func TestCorruptionIsCaught(t *testing.T) {
	r := newRun(t)
	r.outputs(0, 0, 10, "one")
	r.outputs(1, 0, 19, "one")
	value := Record{Key: "a", Src: Position{"in", 0, 0}, Attempt: "one", Fan: Fan{N: 1}}.Encode()
	value[3] ^= 1
	r.raw(0, "a", value)
	r.raw(0, "a", nil)
	rep := r.finish(10, 19)
	requireOnly(t, rep.AtLeastOnce(), ErrCorrupt)
	require.Equal(t, 2, rep.Corrupt.Count)
	require.Contains(t, rep.Corrupt.First, "out:0:10")
}

func TestForeignRecordsAreCaught(t *testing.T) {
	for name, c := range map[string]struct {
		key string
		r   Record
	}{
		"of another topic":    {"a", Record{Key: "a", Src: Position{"other", 0, 0}, Fan: Fan{N: 1}}},
		"of no partition":     {"a", Record{Key: "a", Src: Position{"in", 2, 0}, Fan: Fan{N: 1}}},
		"of a gap":            {"c", Record{Key: "c", Src: Position{"in", 1, 1}, Fan: Fan{N: 1}}},
		"behind the end":      {"a", Record{Key: "a", Src: Position{"in", 0, 10}, Fan: Fan{N: 1}}},
		"of another key":      {"b", Record{Key: "b", Src: Position{"in", 0, 0}, Fan: Fan{N: 1}}},
		"of another number":   {"a", Record{Key: "a", Seq: 1, Src: Position{"in", 0, 0}, Fan: Fan{N: 1}}},
		"of another fan-out":  {"a", Record{Key: "a", Src: Position{"in", 0, 0}, Fan: Fan{I: 1, N: 2}}},
		"outside the fan-out": {"a", Record{Key: "a", Src: Position{"in", 0, 0}, Fan: Fan{I: 1, N: 1}}},
		"before the fan-out":  {"a", Record{Key: "a", Src: Position{"in", 0, 0}, Fan: Fan{I: -1, N: 1}}},
		"an input":            {"a", Record{Key: "a", Fan: Fan{N: 1}}},
		"under another key":   {"b", Record{Key: "a", Src: Position{"in", 0, 0}, Fan: Fan{N: 1}}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRun(t)
			r.outputs(0, 0, 10, "one")
			r.outputs(1, 0, 19, "one")
			r.raw(0, c.key, c.r.Encode())
			rep := r.finish(10, 19)
			requireOnly(t, rep.AtLeastOnce(), ErrForeign)
			require.Zero(t, rep.Duplicates.Count)
		})
	}
}

func TestReadersThatDisagreeAreCaught(t *testing.T) {
	r := newRun(t)
	r.outputs(0, 0, 10, "one")
	r.outputs(1, 0, 19, "one")
	final := NewLog(r.in)
	for i, add := range r.log {
		if i > 0 {
			add(final)
		}
	}
	r.v.Finish(map[int32]int64{0: 10, 1: 19}, final, final)
	rep := r.v.Report()
	requireOnly(t, rep.AtLeastOnce(), ErrDiverge)
	require.Equal(t, 1, rep.Divergence.Count)
	require.Contains(t, rep.Divergence.First, "out:0:0: only the first")

	final = NewLog(r.in)
	final.Add("out", 0, 0, []byte("a"), []byte("another"))
	for _, add := range r.log {
		add(final)
	}
	final.Add("out", 1, 99, []byte("a"), []byte("another"))
	require.Equal(t, 2, r.v.log.diverges(final).Count)
}

// A reader that begins again gives what was seen before.
func TestRepeatedReadsAreNoDuplicates(t *testing.T) {
	r := newRun(t)
	r.outputs(0, 0, 10, "one")
	r.outputs(1, 0, 19, "one")
	for _, add := range r.log {
		add(r.v.log)
	}
	rep := r.finish(10, 19)
	requireOnly(t, rep.AtLeastOnce())
	require.Zero(t, rep.Duplicates.Count)
}

// Who verifies nothing is not told that all is well.
func TestNothingToVerify(t *testing.T) {
	r := newRun(t)
	r.outputs(0, 0, 10, "one")
	r.outputs(1, 0, 19, "one")
	r.v.Observe(map[int32]int64{0: 10, 1: 19})
	require.ErrorIs(t, r.v.Report().AtLeastOnce(), ErrNothing, "it has not ended")

	empty := NewInputs("in", 0)
	v := New(empty)
	v.Finish(map[int32]int64{0: 0}, NewLog(empty), NewLog(empty))
	require.ErrorIs(t, v.Report().AtLeastOnce(), ErrNothing)

	nothing := NewInputs("in", 0)
	require.NoError(t, nothing.Add(0, 0, Record{Key: "a"}))
	v = New(nothing)
	v.Finish(nil, NewLog(nothing), NewLog(nothing))
	requireOnly(t, v.Report().AtLeastOnce(), ErrNothing, ErrBehind)
	require.Error(t, nothing.Add(0, 0, Record{Key: "a"}))
}
