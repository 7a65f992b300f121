package grouptest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// Deliveries are numbered records, or what was made of them, as they came: see [Value]. The zero
// value is ready for use, by pointer; its methods are safe for concurrent use.
type Deliveries struct {
	mu    sync.Mutex
	by    map[int32][]Delivery
	n     int
	parts func(p int32, n int64) []string

	// Of those that commits are held against.
	there     map[string]bool
	whole     map[int32]int64 // up to which number all parts of all records have come
	journal   *Journal
	after     int // so many commits of the journal
	early     int
	firstLate string
}

// Delivery is one of them.
type Delivery struct {
	Partition int32
	Offset    int64
	Value     string
	// Series is what has to come in order: in each, the numbers never go down. By default it is the
	// partition.
	Series string
	At     time.Time
}

// Put notes a delivery that has come now.
func (d *Deliveries) Put(x Delivery) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.by == nil {
		d.by = map[int32][]Delivery{}
	}
	x.At = time.Now()
	d.by[x.Partition] = append(d.by[x.Partition], x)
	d.n++
	if d.there != nil {
		d.there[x.Value] = true
	}
}

// Add notes that a record has come.
func (d *Deliveries) Add(r *Record) {
	d.Put(Delivery{Partition: r.Partition(), Offset: r.Offset(), Value: r.Value})
}

// Take is [Deliveries.Add] as the function of a stage.
func (d *Deliveries) Take(_ context.Context, r *Record) error {
	d.Add(r)
	return nil
}

// Sink notes what comes.
func (d *Deliveries) Sink() stream.Sink[*Record] { return stream.ForEach(d.Take) }

// Committing is Sink for records with offsets, which it commits.
func (d *Deliveries) Committing(opts ...settings.CommitterOption) stream.Sink[*Message] {
	return Committing(d.Take, opts...)
}

// Count returns how many have come.
func (d *Deliveries) Count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.n
}

// Of returns those of a partition, in order.
func (d *Deliveries) Of(p int32) []Delivery {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]Delivery(nil), d.by[p]...)
}

// Values returns the values of those of a partition.
func (d *Deliveries) Values(p int32) (vs []string) {
	for _, x := range d.Of(p) {
		vs = append(vs, x.Value)
	}
	return vs
}

// Offsets returns the offsets of those of a partition.
func (d *Deliveries) Offsets(p int32) (os []int64) {
	for _, x := range d.Of(p) {
		os = append(os, x.Offset)
	}
	return os
}

// Times returns how often each value has come.
func (d *Deliveries) Times() map[string]int {
	d.mu.Lock()
	defer d.mu.Unlock()
	times := map[string]int{}
	for _, xs := range d.by {
		for _, x := range xs {
			times[x.Value]++
		}
	}
	return times
}

// Verdict is what there is to say of deliveries.
type Verdict struct {
	Wanted    int // what there should be
	Delivered int // what there is, each as often as it has come
	Lost      int // is not there
	Doubled   int // is there too often, counted as often as that
	Overtaken int // has come for the first time after a later one of its series
	Foreign   int // is no part of a record that was sent, or names another partition
	// Of commits, where they are held against the deliveries: how many there were, how many came
	// before all that they cover, and how many went back.
	Commits, Early, Backwards int

	first string
}

func (v *Verdict) wrong(n *int, format string, args ...any) {
	if *n++; v.first == "" {
		v.first = fmt.Sprintf(format, args...)
	}
}

func (v Verdict) String() string {
	s := fmt.Sprintf("%d of %d deliveries: lost %d, doubled %d, overtaken %d, foreign %d; %d commits: early %d, backwards %d",
		v.Delivered, v.Wanted, v.Lost, v.Doubled, v.Overtaken, v.Foreign, v.Commits, v.Early, v.Backwards)
	if v.first != "" {
		s += "; the first: " + v.first
	}
	return s
}

// RequireNothingLost wants that everything is there, and that commits were neither early nor went
// back: at least once.
func (v Verdict) RequireNothingLost(t testing.TB) {
	t.Helper()
	require.Zero(t, v.Lost, v)
	require.Zero(t, v.Foreign, v)
	require.Zero(t, v.Early, v)
	require.Zero(t, v.Backwards, v)
}

// RequireOnce is RequireNothingLost, and wants each once.
func (v Verdict) RequireOnce(t testing.TB) {
	t.Helper()
	v.RequireNothingLost(t)
	require.Zero(t, v.Doubled, v)
}

// RequireClean is RequireOnce, and wants each series in order.
func (v Verdict) RequireClean(t testing.TB) {
	t.Helper()
	v.RequireOnce(t)
	require.Zero(t, v.Overtaken, v)
}

// Verify holds what has come against what was sent: so many records of each partition, numbered
// from 0; see [World.Sent].
func (d *Deliveries) Verify(sent map[int32]int64) (v Verdict) {
	var commits []Commit
	if d.journal != nil {
		commits = d.journal.Commits()[d.after:]
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []string
	for _, p := range slices.Sorted(maps.Keys(sent)) {
		for o := range sent[p] {
			all = append(all, d.valuesOf(p, o)...)
		}
	}
	wanted := make(map[string]bool, len(all))
	for _, value := range all {
		wanted[value] = true
	}
	v.Wanted = len(wanted)
	times, last := map[string]int{}, map[string]int64{}
	for _, p := range slices.Sorted(maps.Keys(d.by)) {
		for _, x := range d.by[p] {
			v.Delivered++
			p, n, _ := place(x.Value)
			series := x.Series
			if series == "" {
				series = fmt.Sprint(p)
			}
			before, begun := last[series]
			switch times[x.Value]++; {
			case !wanted[x.Value]:
				v.wrong(&v.Foreign, "%+v is nobody's", x)
			case p != x.Partition:
				v.wrong(&v.Foreign, "%+v is of another partition", x)
			case times[x.Value] > 1:
				v.wrong(&v.Doubled, "%+v has come before", x)
			case begun && n < before:
				v.wrong(&v.Overtaken, "%+v comes after number %d", x, before)
			default:
				last[series] = n
			}
		}
	}
	for _, value := range all {
		if times[value] == 0 {
			v.wrong(&v.Lost, "%s has not come", value)
		}
	}
	v.Commits, v.Early, v.Backwards = len(commits), d.early, backwards(commits)
	if v.Early > 0 {
		v.first = d.firstLate
	}
	return v
}

// RequireWhole wants that each of the first partitions has given n records, in order and once.
func (d *Deliveries) RequireWhole(t testing.TB, partitions, n int) {
	t.Helper()
	RequireWhole(t, partitions, n, d)
}

// RequireWhole wants that the first partitions have given n records each, to one or the other, each
// record once, and each of them its own in order.
func RequireWhole(t testing.TB, partitions, n int, to ...*Deliveries) {
	t.Helper()
	all := &Deliveries{}
	sent := map[int32]int64{}
	for p := range int32(partitions) {
		sent[p] = int64(n)
	}
	for i, d := range to {
		d.mu.Lock()
		for p := range int32(partitions) {
			for _, x := range d.by[p] {
				x.Series = fmt.Sprint(i, "/", p)
				all.Put(x)
			}
		}
		d.mu.Unlock()
	}
	all.Verify(sent).RequireClean(t)
}

// valuesOf are those that a record should give.
func (d *Deliveries) valuesOf(p int32, n int64) []string {
	if d.parts == nil {
		return []string{Value(p, n)}
	}
	parts := d.parts(p, n)
	for i, part := range parts {
		parts[i] = Value(p, n, part)
	}
	return parts
}

// Missing returns what a record should give and has not; empty where it has given all.
func (d *Deliveries) Missing(p int32, n int64) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.missing(p, n)
}

func (d *Deliveries) missing(p int32, n int64) string {
	for _, value := range d.valuesOf(p, n) {
		if !d.there[value] {
			return value
		}
	}
	return ""
}

// committed holds a commit against what has come.
func (d *Deliveries) committed(c Commit) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.whole[c.Partition]
	for ; n < c.Offset; n++ {
		if missing := d.missing(c.Partition, n); missing != "" {
			if d.early++; d.early == 1 {
				d.firstLate = fmt.Sprintf("%v was committed before %s had come", c, missing)
			}
			break
		}
	}
	d.whole[c.Partition] = n
}

// Guarded returns deliveries that each commit of the world's is held against from now on. Parts
// says what has to come of a record; nil: the record itself.
func (w *World) Guarded(parts func(p int32, n int64) []string) *Deliveries {
	w.Journal.mu.Lock()
	defer w.Journal.mu.Unlock()
	d := &Deliveries{
		parts: parts, journal: w.Journal, after: len(w.Journal.commits), there: map[string]bool{}, whole: map[int32]int64{},
	}
	w.Journal.guarded = append(w.Journal.guarded, d)
	return d
}

// Outputs is [World.Guarded] for what is appended to a topic, as the broker sees it, by partition
// of the record that it was made of; a series is what has one key. Batches must not be compressed.
func (w *World) Outputs(topic string, parts func(p int32, n int64) []string) *Deliveries {
	w.t.Helper()
	info := w.Cluster().TopicInfo(topic)
	require.NotNil(w.t, info, "there is no topic %q; create it first", topic)
	d := w.Guarded(parts)
	see := func(rec *kmsg.Record) {
		p, n, _ := place(string(rec.Value))
		d.Put(Delivery{Partition: p, Offset: n, Value: string(rec.Value), Series: string(rec.Key)})
	}
	w.Journal.mu.Lock()
	defer w.Journal.mu.Unlock()
	w.Journal.produced[topic], w.Journal.ids[info.TopicID] = see, see
	return d
}

// Written reads what is in some topics now, with a plain client, by partition of the record that it
// was made of; a series is one part of what has one key, in one partition. Parts is as in Guarded.
func (w *World) Written(parts func(p int32, n int64) []string, topics ...string) *Deliveries {
	w.t.Helper()
	d := &Deliveries{parts: parts}
	for _, topic := range topics {
		for _, rec := range kafkatest.ReadAll(w.t, w.Broker, topic) {
			value := string(rec.Value)
			p, n, _ := place(value)
			series := fmt.Sprintf("%s[%d] %s %s", topic, rec.Partition, rec.Key, value[min(len(value), len(Value(p, n))):])
			d.Put(Delivery{Partition: p, Offset: n, Value: value, Series: series})
		}
	}
	return d
}
