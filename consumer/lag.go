package consumer

import (
	"context"
	"fmt"

	"github.com/vicuna-go/vicuna/internal/topics"
)

// Lag is how far a partition is behind.
type Lag struct {
	TopicPartition
	// Next is the offset of the next record to be fetched, -1 where it is not known yet.
	Next int64
	// Done is the offset after the last record that was finished without a gap, which is what is
	// committed where somebody commits; -1 where that is not known yet.
	Done int64
	// End is the offset after the last record that there is; with settings.ReadCommitted, behind
	// the last that can be read.
	End int64
	// Behind is End less Done: how many offsets are still to be finished.
	Behind int64
}

// String says where it is, for logs: topic[partition]: behind n, at done of end.
func (l Lag) String() string {
	return fmt.Sprintf("%v: behind %d, at %d of %d", l.TopicPartition, l.Behind, l.Done, l.End)
}

// Lags are those of all assigned partitions, in order.
type Lags []Lag

// Behind is the sum.
func (ls Lags) Behind() (n int64) {
	for _, l := range ls {
		n += l.Behind
	}
	return n
}

// Lag asks the brokers for the ends of the assigned partitions, and compares. Offsets that were
// never used, or were compacted away, count as records. A member to which its group has given no
// partition is behind in none; while the consumer is still joining, or was put out, Lag fails with
// [ErrNoAssignment].
func (c *Consumer[K, V]) Lag(ctx context.Context) (Lags, error) {
	r, err := c.running()
	if err != nil {
		return nil, err
	}
	ask := r.Questions()
	if ask == nil {
		return nil, ErrNotRunning
	}
	at := r.Positions()
	if len(at) == 0 && !r.Belongs() {
		return nil, ErrNoAssignment
	}
	ps := make([]TopicPartition, 0, len(at))
	var unknown []TopicPartition
	for p, pos := range at {
		ps = append(ps, p)
		if pos.Done < 0 {
			unknown = append(unknown, p)
		}
	}
	topics.Sort(ps)
	ends, err := ask.End(ctx, ps)
	if err != nil {
		return nil, err
	}
	first, err := ask.First(ctx, unknown)
	if err != nil {
		return nil, err
	}
	lags := make(Lags, 0, len(ps))
	for _, p := range ps {
		l := Lag{TopicPartition: p, Next: at[p].Next, Done: at[p].Done, End: ends[p]}
		done := l.Done
		if done < 0 {
			done = first[p]
		}
		l.Behind = max(0, l.End-done)
		lags = append(lags, l)
	}
	return lags, nil
}
