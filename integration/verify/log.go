package verify

import (
	"hash/crc32"
	"slices"
)

// Log is what one reader saw of the outputs. It is not for concurrent use.
type Log struct {
	in     *Inputs
	inputs [][]progress // of each input, by partition and offset
	// of each input partition: all inputs before this offset have all their outputs
	complete []int64

	lines    map[partition]*line
	attempts map[string]*Attempt
	// of each key in each output partition, the first delivery that came last
	order map[series]place

	first     int // outputs seen for the first time
	duplicate Finding
	inversion Finding
	corrupt   Finding
	foreign   Finding
}

// Attempt is what is there of one attempt.
type Attempt struct{ First, Duplicates int }

// progress is what is there of one input's outputs.
type progress struct {
	there    int
	delivery []delivery // by fan-out index; nil when none is there
}

// delivery is where an output was first seen.
type delivery struct {
	there   bool
	at      Position
	attempt string
}

type partition struct {
	topic  string
	number int32
}

// line is one output partition.
type line struct {
	next int64            // offsets below are behind the reader
	sums map[int64]uint32 // what is at each offset, for comparing readers
}

// series is the outputs of one key in one partition, where they have an order.
type series struct {
	partition
	key string
}

type place struct {
	seq int64
	i   int
	at  Position
}

func (p place) before(seq int64, i int) bool { return p.seq < seq || p.seq == seq && p.i < i }

// NewLog gives the log of a reader that has seen nothing yet.
func NewLog(in *Inputs) *Log {
	l := &Log{
		in: in, inputs: make([][]progress, len(in.partitions)), complete: make([]int64, len(in.partitions)),
		lines: map[partition]*line{}, attempts: map[string]*Attempt{}, order: map[series]place{},
	}
	for i, at := range in.partitions {
		l.inputs[i] = make([]progress, len(at))
	}
	return l
}

// Add takes the next record of an output partition. Records of a partition come in the order of
// their offsets; one that is not after the last is left out, since a reader that begins again
// reads the same.
func (l *Log) Add(topic string, number int32, offset int64, key, value []byte) {
	p := partition{topic, number}
	ln := l.lines[p]
	if ln == nil {
		ln = &line{sums: map[int64]uint32{}}
		l.lines[p] = ln
	}
	if offset < ln.next {
		return
	}
	ln.next = offset + 1
	ln.sums[offset] = crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, value)
	at := Position{topic, number, offset}
	r, err := Decode(value)
	if err != nil {
		l.corrupt.add("%v: %v", at, err)
		return
	}
	in := l.in.find(r.Src)
	switch {
	case in == nil:
		l.foreign.add("%v: %v: there is no such input", at, r)
	case string(key) != r.Key:
		l.foreign.add("%v: %v: its key is %q", at, r, key)
	case in.Key != r.Key || in.Seq != r.Seq || in.Fan.N != r.Fan.N || r.Fan.I < 0 || r.Fan.I >= r.Fan.N:
		l.foreign.add("%v: %v: the input is %v", at, r, in.Record)
	default:
		l.deliver(p, at, r)
	}
}

func (l *Log) deliver(p partition, at Position, r Record) {
	a := l.attempts[r.Attempt]
	if a == nil {
		a = &Attempt{}
		l.attempts[r.Attempt] = a
	}
	pr := &l.inputs[r.Src.Partition][r.Src.Offset]
	if pr.delivery == nil {
		pr.delivery = make([]delivery, r.Fan.N)
	}
	d := &pr.delivery[r.Fan.I]
	if d.there {
		a.Duplicates++
		l.duplicate.add("%v: %v: was at %v by %s", at, r, d.at, d.attempt)
		return
	}
	*d = delivery{there: true, at: at, attempt: r.Attempt}
	pr.there++
	a.First++
	l.first++
	s := series{p, r.Key}
	if last, ok := l.order[s]; ok && !last.before(r.Seq, r.Fan.I) {
		l.inversion.add("%v: %v: is behind number %d (%d of its fan-out) at %v", at, r, last.seq, last.i, last.at)
		return
	}
	l.order[s] = place{r.Seq, r.Fan.I, at}
}

// frontier is the first offset of an input partition with an output missing, or the end.
func (l *Log) frontier(number int32) int64 {
	inputs := l.in.partitions[number]
	at := &l.complete[number]
	for *at < int64(len(inputs)) && l.inputs[number][*at].there == inputs[*at].Fan.N {
		*at++
	}
	return *at
}

// uncovered counts, by attempt, the outputs of inputs that these offsets do not cover: those that
// whoever gets the partition next makes once more, should the attempt end as it is.
func (l *Log) uncovered(committed map[int32]int64) map[string]int {
	n := map[string]int{}
	for number := range l.inputs {
		for _, pr := range l.inputs[number][min(committed[int32(number)], int64(len(l.inputs[number]))):] {
			for _, d := range pr.delivery {
				if d.there {
					n[d.attempt]++
				}
			}
		}
	}
	return n
}

// lost counts the outputs that are missing and names the first.
func (l *Log) lost() (f Finding) {
	for number := range l.inputs {
		for offset, pr := range l.inputs[number] {
			in := l.in.partitions[number][offset]
			for i := range in.Fan.N {
				if pr.delivery == nil || !pr.delivery[i].there {
					f.add("output %d of %v, input %v", i, Position{l.in.topic, int32(number), int64(offset)}, in.Record)
				}
			}
		}
	}
	return f
}

// records is the number of records seen, of whatever kind.
func (l *Log) records() (n int) {
	for _, ln := range l.lines {
		n += len(ln.sums)
	}
	return n
}

// diverges compares with the log of another reader that has read as far: the same at each offset.
func (l *Log) diverges(other *Log) (f Finding) {
	compare := func(a, b *Log, name string) {
		for p, ln := range a.lines {
			for _, offset := range sortedOffsets(ln.sums) {
				var sum uint32
				theirs := b.lines[p]
				found := theirs != nil
				if found {
					sum, found = theirs.sums[offset]
				}
				at := Position{p.topic, p.number, offset}
				switch {
				case !found:
					f.add("%v: only %s saw it", at, name)
				case sum != ln.sums[offset] && a == l: // told once
					f.add("%v: the readers saw different records", at)
				}
			}
		}
	}
	compare(l, other, "the first reader")
	compare(other, l, "the second reader")
	return f
}

func sortedOffsets(sums map[int64]uint32) []int64 {
	offsets := make([]int64, 0, len(sums))
	for offset := range sums {
		offsets = append(offsets, offset)
	}
	slices.Sort(offsets)
	return offsets
}
