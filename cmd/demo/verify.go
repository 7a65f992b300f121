package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// found is what a topic was found to hold.
type found struct {
	lines     ledger
	places    checksum
	foreign   uint64 // records of no line
	disorder  uint64 // records behind one of a later line in their partition
	misplaced uint64 // keyed records out of their key's partition
	inUse     int    // partitions with records
}

// readBack reads both topics with a client that knows nothing of the stages. lines is the number of the last line.
func readBack(ctx context.Context, b *broker, t topics, lines uint64, patience time.Duration) (map[string]*found, error) {
	all := map[string]*found{}
	for _, topic := range []string{t.plain, t.flexi} {
		f, err := readTopic(ctx, b, topic, lines, patience)
		if err != nil {
			return nil, fmt.Errorf("reading %s back: %w", topic, err)
		}
		all[topic] = f
	}
	return all, nil
}

func readTopic(ctx context.Context, b *broker, topic string, lines uint64, patience time.Duration) (*found, error) {
	left, err := ends(ctx, b, topic)
	if err != nil {
		return nil, err
	}
	f := &found{inUse: len(left)}
	from := map[int32]kgo.Offset{}
	for p := range left {
		from[p] = kgo.NewOffset().AtStart()
	}
	if len(left) == 0 {
		return f, nil
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.addrs...), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: from}), kgo.FetchMaxWait(250*time.Millisecond))
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	byKey := kgo.StickyKeyPartitioner(nil).ForTopic(topic) // where Kafka's clients put a key
	last := map[int32]uint64{}
	for len(left) > 0 {
		poll, cancel := context.WithTimeout(ctx, patience)
		fetches := cl.PollFetches(poll)
		cancel()
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if poll.Err() != nil && fetches.NumRecords() == 0 {
			return nil, fmt.Errorf("no record has come for %v, and %d partitions are not at their ends", patience, len(left))
		}
		if err := fetches.Err(); err != nil && poll.Err() == nil {
			return nil, err
		}
		fetches.EachRecord(func(r *kgo.Record) {
			f.take(r, lines, byKey, last)
			if r.Offset+1 >= left[r.Partition] {
				delete(left, r.Partition)
			}
		})
	}
	return f, nil
}

// take looks at a record.
func (f *found) take(r *kgo.Record, lines uint64, byKey kgo.TopicPartitioner, last map[int32]uint64) {
	number, ok := lineOf(r)
	if !ok || number > lines {
		f.foreign++
		return
	}
	f.lines.add(number, contents(number, r.Key != nil, string(r.Key), r.Value))
	f.places.add(place(number, r.Partition, r.Offset))
	if number <= last[r.Partition] {
		f.disorder++
	}
	last[r.Partition] = number
	if r.Key != nil && byKey.Partition(r, partitions) != int(r.Partition) {
		f.misplaced++
	}
}

func lineOf(r *kgo.Record) (uint64, bool) {
	for _, h := range r.Headers {
		if h.Key == headerLine {
			n, err := strconv.ParseUint(string(h.Value), 10, 64)
			return n, err == nil
		}
	}
	return 0, false
}

// ends returns the end offsets of the partitions that have records.
func ends(ctx context.Context, b *broker, topic string) (map[int32]int64, error) {
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.addrs...))
	if err != nil {
		return nil, err
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(ctx, adminFor)
	defer cancel()
	offsets, err := kadm.NewClient(cl).ListEndOffsets(ctx, topic)
	if err == nil {
		err = offsets.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("its end offsets: %w", err)
	}
	left := map[int32]int64{}
	offsets.Each(func(o kadm.ListedOffset) {
		if o.Offset > 0 {
			left[o.Partition] = o.Offset
		}
	})
	return left, nil
}

// compare prints what was found beside what was sent, and fails unless it is the same.
func compare(out *screen, t topics, s *sent, found map[string]*found) error {
	v := verdict{out: out}
	for _, stage := range []struct{ name, topic string }{{"PlainSink", t.plain}, {"FlexiFlow", t.flexi}} {
		f := found[stage.topic]
		out.say("\nread back by a plain client: %s, %s", stage.name, stage.topic)
		missing, first := s.lines.without(&f.lines)
		extra, _ := f.lines.without(&s.lines)
		v.check(f.lines.records == s.lines.records && f.foreign == 0, "count", "%s records of %s lines", grouped(f.lines.records+f.foreign), grouped(s.lines.records))
		if missing > 0 {
			v.check(false, "missing", "%s lines, the first is line %d", grouped(missing), first)
		}
		if odd := extra + f.lines.repeated + f.foreign; odd > 0 {
			v.check(false, "extra", "%s records, %s of them of lines that are there already", grouped(odd), grouped(f.lines.repeated))
		}
		v.check(f.lines.contents == s.lines.contents, "contents", "keys, values and line numbers, by checksum")
		v.check(f.disorder == 0, "order", "the lines of each of %d partitions ascend%s", f.inUse, unless(f.disorder, "%s do not"))
		v.check(f.misplaced == 0, "keys", "each key in its one partition%s", unless(f.misplaced, "%s records are not"))
	}
	v.check(s.results == s.lines.records && s.late == 0, "results", "%s, in the order of the lines%s", grouped(s.results), unless(s.late, "%s are not"))
	v.check(s.places == found[t.flexi].places, "offsets", "partition and offset in each result are where its record was found")
	if v.wrong {
		return errWrong
	}
	out.say("\nverified: %s lines, each once in both topics", grouped(s.lines.records))
	return nil
}

func unless(n uint64, format string) string {
	if n == 0 {
		return ""
	}
	return "; " + fmt.Sprintf(format, grouped(n))
}

// verdict prints checks and remembers whether one has failed.
type verdict struct {
	out   *screen
	wrong bool
}

func (v *verdict) check(ok bool, what, format string, args ...any) {
	mark := "ok   "
	if !ok {
		mark = "WRONG"
		v.wrong = true
	}
	v.out.say("  %s  %-8s  %s", mark, what, fmt.Sprintf(format, args...))
}
