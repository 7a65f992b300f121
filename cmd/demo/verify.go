package main

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// verifier reads everything back with plain clients, and compares.
type verifier struct {
	broker   *broker
	names    names
	patience time.Duration // how long reading back waits for the next record
	out      *screen
}

// evidence is what was found.
type evidence struct {
	orders, invoices *found
	due              ledger // the invoices that there should be: of the orders that are committed
	committed, ends  map[int32]int64
}

// verify reads back and compares. complete says that every order should be committed; else what is
// committed and what is in the topic have to agree all the same.
func (v verifier) verify(ctx context.Context, sent *ledger, complete bool) error {
	e, err := v.collect(ctx, sent)
	if err != nil {
		if complete {
			v.out.say("all %s lines were copied; they were not read back and compared to the end", grouped(sent.records))
		}
		return err
	}
	return v.compare(sent, e, complete)
}

// collect reads both topics, and asks for the group's offsets.
func (v verifier) collect(ctx context.Context, sent *ledger) (*evidence, error) {
	e := &evidence{orders: newFound(v.names.orders, sent.highest, false), invoices: newFound(v.names.invoices, sent.highest, true)}
	var err error
	if e.committed, err = committedOffsets(ctx, v.broker, v.names); err != nil {
		return nil, err
	}
	if e.ends, err = endOffsets(ctx, v.broker, v.names.orders); err != nil {
		return nil, err
	}
	invoices, err := endOffsets(ctx, v.broker, v.names.invoices)
	if err != nil {
		return nil, err
	}
	e.orders.inUse, e.invoices.inUse = inUse(e.ends), inUse(invoices)
	err = readTopic(ctx, v.broker, v.names.orders, e.ends, v.patience, func(r *kgo.Record) {
		number := e.orders.take(r)
		if number == 0 || r.Offset >= e.committed[r.Partition] {
			return
		}
		if value, due := bill(r.Value); due {
			e.due.add(number, contents(number, r.Key != nil, string(r.Key), value))
		}
	})
	if err != nil {
		return nil, fmt.Errorf("reading %s back: %w", v.names.orders, err)
	}
	err = readTopic(ctx, v.broker, v.names.invoices, invoices, v.patience, func(r *kgo.Record) { e.invoices.take(r) })
	if err != nil {
		return nil, fmt.Errorf("reading %s back: %w", v.names.invoices, err)
	}
	return e, nil
}

func inUse(ends map[int32]int64) (n int) {
	for _, end := range ends {
		if end > 0 {
			n++
		}
	}
	return n
}

// compare prints what was found beside what should be there, and fails unless it is the same.
func (v verifier) compare(sent *ledger, e *evidence, complete bool) error {
	var sum, all int64
	wrong := 0
	for p, end := range e.ends {
		sum, all = sum+e.committed[p], all+end
		if e.committed[p] > end || complete && e.committed[p] < end {
			wrong++
		}
	}
	d := verdict{out: v.out}
	v.out.say("\nread back by a plain client: orders, %s", v.names.orders)
	d.same(sent, e.orders, "lines")
	v.out.say("\nread back by a plain client: invoices, %s", v.names.invoices)
	d.same(&e.due, e.invoices, fmt.Sprintf("due (%s committed orders are cancelled)", grouped(uint64(max(sum-int64(e.due.records), 0)))))
	v.out.say("\nasked for by a plain client: offsets of the group %s", v.names.group)
	d.check(wrong == 0, "commits", "%s of %s orders, in %d partitions%s", grouped(uint64(sum)), grouped(uint64(all)), e.orders.inUse, unless(uint64(wrong), "%s partitions are not committed up to their ends"))
	switch {
	case d.wrong:
		return errWrong
	case complete:
		v.out.say("\nverified: %s lines, each order once, each invoice once, every offset committed", grouped(sent.records))
	default:
		v.out.say("\nverified: an invoice for each order that is committed, and no others; what is left is the next member's")
	}
	return nil
}

// verdict prints checks and remembers whether one has failed.
type verdict struct {
	out   *screen
	wrong bool
}

// same checks that a topic holds what was expected, and that in order.
func (d *verdict) same(expected *ledger, f *found, of string) {
	missing, first := expected.without(&f.lines)
	extra, _ := f.lines.without(expected)
	d.check(f.lines.records == expected.records && f.foreign == 0, "count", "%s records of %s %s", grouped(f.lines.records+f.foreign), grouped(expected.records), of)
	if missing > 0 {
		d.check(false, "missing", "%s records, the first is that of line %d", grouped(missing), first)
	}
	if odd := extra + f.lines.repeated + f.foreign; odd > 0 {
		d.check(false, "extra", "%s records, %s of them of lines that are there already", grouped(odd), grouped(f.lines.repeated))
	}
	d.check(f.lines.contents == expected.contents, "contents", "keys, values and line numbers, by checksum")
	which := "lines"
	if f.keyed {
		which = "keyed lines" // without a key there is no order between two topics
	}
	d.check(f.disorder == 0, "order", "the %s of each of %d partitions ascend%s", which, f.inUse, unless(f.disorder, "%s do not"))
	d.check(f.misplaced == 0, "keys", "each key in its one partition%s", unless(f.misplaced, "%s records are not"))
}

func (d *verdict) check(ok bool, what, format string, args ...any) {
	mark := "ok   "
	if !ok {
		mark, d.wrong = "WRONG", true
	}
	d.out.say("  %s  %-8s  %s", mark, what, fmt.Sprintf(format, args...))
}

func unless(n uint64, format string) string {
	if n == 0 {
		return ""
	}
	return "; " + fmt.Sprintf(format, grouped(n))
}
