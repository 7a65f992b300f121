//go:build synctests

package transaction_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vicuna-go/vicuna/internal/transaction"
	"github.com/vicuna-go/vicuna/kafkatest"
)

// moments are those at which something comes in between.
var moments = []string{"before the first record", "before the flush", "before the offsets", "before the end"}

// at runs a transaction, and calls between at one of the moments.
func (w *world) at(c *copier, moment string, between func()) transaction.Outcome {
	w.t.Helper()
	c.poll(2)
	return w.from(c, 0, moment, between)
}

// from is at for the two records of each partition from an offset on, which were polled.
func (w *world) from(c *copier, offset int64, moment string, comes func()) transaction.Outcome {
	w.t.Helper()
	c.begin()
	if moment == moments[0] {
		comes()
	}
	c.copy(between(c.recs, offset, offset+1)...)
	require.NoError(w.t, flush(c))
	if moment == moments[1] {
		comes()
	}
	c.copy(between(c.recs, offset+1, offset+2)...)
	if moment == moments[2] {
		require.NoError(w.t, flush(c))
		comes()
	}
	if moment == moments[3] {
		once := sync.OnceFunc(comes)
		defer w.OnAnswer(func(kafkatest.Answer) bool { once(); return true }, kmsg.TxnOffsetCommit)()
	}
	return c.commit()
}

func flush(c *copier) error { return c.cl.Flush(c.w.t.Context()) }

// A second instance with the same id fences the first, which is told so for good, at whichever
// moment; what the first had open is aborted.
func TestFencedByAnotherInstance(t *testing.T) {
	for _, moment := range moments {
		t.Run(moment, func(t *testing.T) {
			each(t, func(t *testing.T, w *world) {
				w.fill(2)
				c := w.member()
				other := w.copier()
				o := w.at(c, moment, func() { require.NoError(t, other.Init(t.Context())) })
				if moment == moments[3] && errors.Is(o.Err, kerr.InvalidTxnState) {
					// kfake gives the second instance the epoch that the first would have after
					// its end, and so takes this for the repetition of an end with another outcome.
					// Kafka ends what is open in an epoch of its own before it gives out the next
					// one, and says PRODUCER_FENCED (as the integration suite sees).
					requireOutcome(t, o, transaction.Aborted, transaction.Unusable, transaction.State)
					w.agree(0, 0)
					return
				}
				requireOutcome(t, o, transaction.Aborted, transaction.Fenced, transaction.TakenOver)
				var fenced *transaction.FencedError
				require.ErrorAs(t, o.Err, &fenced)
				require.Equal(t, id, fenced.ID)
				require.ErrorAs(t, c.Begin(), &fenced, "for good")
				w.agree(0, 0)
				other.begin()
				other.copy(w.record(0, 0))
				requireCommitted(t, other.Commit(t.Context(), nil, other.produced))
				require.EqualValues(t, 1, w.visible()[0], "the second is not disturbed")
			})
		})
	}
}

// The broker's own time-out says the same as a second instance would, but not before its time: it
// is told apart, and somebody can go on.
func TestTimedOutByTheBroker(t *testing.T) {
	for _, moment := range moments[1:] {
		t.Run(moment, func(t *testing.T) {
			each(t, func(t *testing.T, w *world) {
				w.fill(2)
				w.timeout, w.limit = limit, timeout
				c := w.member()
				o := w.at(c, moment, func() { <-time.After(w.timeout + time.Second) })
				require.Equal(t, transaction.Aborted, o.Ended, "%v", o)
				require.Equal(t, transaction.Expired, o.Cause, "%v", o)
				t.Log(o)
				w.agree(0, 0)
				if o.Client == transaction.Usable {
					w.goOn(c, o)
					return
				}
				requireOutcome(t, o, transaction.Aborted, transaction.Unusable, transaction.Expired)
				w.anew(c, nil)
			})
		})
	}
}

// A commit that races the time-out is one or the other.
func TestCommitRacesTheTimeout(t *testing.T) {
	seen := map[transaction.Ended]int{}
	for ms := -3; ms <= 3; ms++ {
		each(t, func(t *testing.T, w *world) {
			w.fill(2)
			w.timeout, w.limit = limit, timeout
			c := w.member()
			w.Delay(time.Millisecond)
			o := w.at(c, moments[2], func() {
				<-time.After(w.timeout - c.Age() + time.Duration(ms)*time.Millisecond)
			})
			w.Delay(0)
			seen[o.Ended]++
			w.truth(o)
			if o.Client == transaction.Usable {
				w.goOn(c, o)
			} else {
				w.anew(c, nil)
			}
		})
	}
	require.Positive(t, seen[transaction.Committed], "%v", seen)
	require.Positive(t, seen[transaction.Aborted], "%v", seen)
}

// Coordinators move while a transaction is open, and in the middle of its end: also the group's,
// which the last transaction has been told of.
func TestCoordinatorsMove(t *testing.T) {
	for _, moment := range moments {
		t.Run(moment, func(t *testing.T) {
			each(t, func(t *testing.T, w *world) {
				w.fill(3)
				c := w.member()
				recs := c.poll(3)
				c.begin()
				c.copy(first(recs, 1)...)
				requireCommitted(t, c.commit())
				o := w.from(c, 1, moment, func() {
					for was := w.Cluster().CoordinatorFor(group); w.Cluster().CoordinatorFor(group) == was; {
						w.Cluster().RehashCoordinators()
					}
				})
				requireCommitted(t, o)
				w.agree(3, 3)
			}, kafkatest.Brokers(5))
		})
	}
}
