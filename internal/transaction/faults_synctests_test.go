//go:build synctests

package transaction_test

import (
	"fmt"
	"strings"
	"testing"
	"text/tabwriter"

	"github.com/cockroachdb/datadriven"
	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vicuna-go/vicuna/internal/transaction"
	"github.com/vicuna-go/vicuna/kafkatest"
)

// The scripts say which answers to a request a transaction gets, once or always, and what its
// outcome is; `go test -tags synctests -rewrite` writes the outcomes anew. In each cell what the
// outcome says is compared with what a careful reader sees and what the group has, at once, and
// again after whoever may go on has gone on: the same client, a new one, or one that resolves what
// was left open.
//
//	faults request=NAME [after=unknown|lost]    an error on each line
//
// With after, the answer to EndTxn is UNKNOWN_SERVER_ERROR, which the embedded broker gives before
// it does anything, or is lost after the work was done, as often as the client asks.
func TestFaults(t *testing.T) {
	datadriven.Walk(t, "testdata/faults", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			var request, after string
			d.ScanArgs(t, "request", &request)
			d.MaybeScanArgs(t, "after", &after)
			var b strings.Builder
			table := tabwriter.NewWriter(&b, 0, 1, 2, ' ', 0)
			for _, name := range strings.Fields(d.Input) {
				fmt.Fprintf(table, "%s:\n", name)
				for _, often := range []string{"once", "always"} {
					cells := map[string][]string{}
					var order []string
					for _, p := range protocols() {
						var outcome string
						t.Run(fmt.Sprintf("%s/%s/%s", name, often, p.name), func(t *testing.T) {
							inWorld(t, p, func(t *testing.T, w *world) {
								outcome = w.fault(request, after, code(t, name), often == "always")
							})
						})
						if cells[outcome] == nil {
							order = append(order, outcome)
						}
						cells[outcome] = append(cells[outcome], p.name)
					}
					for _, outcome := range order {
						where := strings.Join(cells[outcome], " ")
						if len(order) == 1 {
							where = ""
						}
						fmt.Fprintf(table, "  %s\t%s\t%s\n", often, outcome, where)
					}
				}
			}
			require.NoError(t, table.Flush())
			lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
			for i := range lines {
				lines[i] = strings.TrimRight(lines[i], " ")
			}
			return strings.Join(lines, "\n")
		})
	})
}

// code is the error of a name.
func code(t *testing.T, name string) *kerr.Error {
	t.Helper()
	for c := range int16(200) {
		if e, ok := kerr.ErrorForCode(c).(*kerr.Error); ok && e.Message == name {
			return e
		}
	}
	require.FailNow(t, "there is no error "+name)
	return nil
}

func key(t *testing.T, name string) kmsg.Key {
	t.Helper()
	for k := kmsg.Key(0); k < 100; k++ {
		if name == k.Name() {
			return k
		}
	}
	require.FailNow(t, "there is no request "+name)
	return 0
}

// fault runs a transaction in which a request gets an answer, and judges its outcome.
func (w *world) fault(request, after string, err *kerr.Error, always bool) string {
	t := w.t
	w.fill(2)
	count := 1
	if always {
		count = -1
	}
	k := key(t, request)
	inject := func() *kfake.FaultHandle {
		f := kfake.Fault{Keys: []kmsg.Key{k}, Err: err, Count: count}
		switch k {
		case kmsg.Produce:
			f.Topic = out
		case kmsg.InitProducerID, kmsg.EndTxn, kmsg.AddOffsetsToTxn:
			f.TopLevel = true
		}
		return w.Fault(f)
	}
	c := w.consumer()
	if k == kmsg.InitProducerID && after == "" {
		h := inject()
		err := c.Init(t.Context())
		require.Positive(t, h.Hits(), "it was not asked")
		h.Remove()
		if err == nil {
			require.Equal(t, transaction.Committed, w.goOn(c, transaction.Outcome{Client: transaction.Usable}).Ended)
			return "taken"
		}
		w.anew(c, nil)
		return "not taken: " + kind(err)
	}
	require.NoError(t, c.Init(t.Context()))
	recs := c.poll(2)
	c.begin()
	c.copy(recs...)
	stop := func() {}
	handles := []*kfake.FaultHandle{}
	switch after {
	case "unknown":
		handles = append(handles, w.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.EndTxn}, Err: kerr.UnknownServerError, TopLevel: true}))
	case "lost":
		stop = w.OnAnswer(func(kafkatest.Answer) bool { return false }, kmsg.EndTxn)
	}
	h := inject()
	o := c.commit()
	hits := h.Hits()
	for _, h := range append(handles, h) {
		h.Remove()
	}
	stop()
	if hits == 0 {
		requireCommitted(t, o)
		w.agree(2, 2)
		return "not asked"
	}
	w.truth(o)
	if o.Ended == transaction.Unresolved {
		resolved := w.anew(c, o.Doubt)
		require.NotEqual(t, transaction.Unresolved, resolved, "a new client can tell")
		return cell(o) + ", then " + resolved.String()
	}
	if o.Client == transaction.Usable {
		w.goOn(c, o)
	} else {
		w.anew(c, nil)
	}
	return cell(o)
}

// truth demands that an outcome is what can be seen.
func (w *world) truth(o transaction.Outcome) {
	w.t.Helper()
	switch o.Ended {
	case transaction.Committed:
		w.agree(2, 2)
	case transaction.Aborted:
		w.agree(0, 0)
	default:
		require.Equal(w.t, transaction.Unresolved, o.Ended)
		require.NotNil(w.t, o.Doubt)
	}
}

// goOn makes the copies again with the same client, where they were not committed: those of the
// first time must not come with them.
func (w *world) goOn(c *copier, o transaction.Outcome) transaction.Outcome {
	w.t.Helper()
	if o.Ended == transaction.Committed {
		c.begin()
		requireOutcome(w.t, c.Abort(w.t.Context()), transaction.Aborted, transaction.Usable, transaction.Asked)
		w.agree(2, 2)
		return o
	}
	recs := c.recs
	if len(recs) == 0 {
		recs = c.poll(2)
	}
	c.begin()
	c.copy(recs...)
	again := c.commit()
	requireCommitted(w.t, again)
	w.agree(2, 2)
	return again
}

// anew takes the id with a new client, which resolves what is in doubt, and does the rest.
func (w *world) anew(old *copier, d *transaction.Doubt) (resolved transaction.Ended) {
	w.t.Helper()
	old.cl.CloseAllowingRebalance()
	c := w.member()
	if d != nil {
		o := c.Resolve(w.t.Context(), d)
		w.truth(o)
		resolved = o.Ended
	}
	switch at := w.committed(); at {
	case [partitions]int64{2, 2}:
		w.agree(2, 2)
	default:
		w.agree(0, 0)
		w.goOn(c, transaction.Outcome{})
	}
	return resolved
}
