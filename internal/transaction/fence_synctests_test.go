//go:build synctests

package transaction_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vicuna-go/vicuna/internal/transaction"
	"github.com/vicuna-go/vicuna/kafkatest"
)

// moments are those at which something comes in between.
var moments = []string{"before the first record", "before the flush", "before the offsets", "before the end"}

// at runs a transaction, and calls between at one of the moments.
func (w *world) at(c *copier, moment string, between func()) transaction.Outcome {
	w.t.Helper()
	recs := c.recs
	if len(recs) == 0 {
		recs = c.poll(2)
	}
	c.begin()
	if moment == moments[0] {
		between()
	}
	c.copy(first(recs, 1)...)
	require.NoError(w.t, flush(c))
	if moment == moments[1] {
		between()
	}
	c.copy(between1(recs)...)
	if moment == moments[2] {
		require.NoError(w.t, flush(c))
		between()
	}
	if moment == moments[3] {
		once := true
		stop := w.OnAnswer(func(kafkatest.Answer) bool {
			if once {
				once = false
				between()
			}
			return true
		}, kmsg.TxnOffsetCommit)
		defer stop()
	}
	return c.commit()
}

func between1(recs []*kgo.Record) []*kgo.Record { return between(recs, 1, 2) }

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
			w.truth(o)
			if o.Client == transaction.Usable {
				w.goOn(c, o)
			} else {
				w.anew(c, nil)
			}
		})
	}
}

// Coordinators move while a transaction is open, and in the middle of its end.
func TestCoordinatorsMove(t *testing.T) {
	for _, moment := range moments {
		t.Run(moment, func(t *testing.T) {
			each(t, func(t *testing.T, w *world) {
				w.fill(2)
				c := w.member()
				for range 3 { // somewhere else, most likely
					o := w.at(c, moment, func() { w.Cluster().RehashCoordinators() })
					w.truth(o)
					if o.Ended == transaction.Committed {
						return
					}
					require.Equal(t, transaction.Rebalance, o.Cause, "%v", o)
					synctest.Wait()
				}
			}, kafkatest.Brokers(5))
		})
	}
}
