//go:build synctests

package transaction_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vicuna-go/vicuna/internal/transaction"
)

// A commit whose answer is late is a doubt, too: the request is carried out when the client has
// long given up waiting for it.
func TestLateEnd(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		w.fill(2)
		c := w.member()
		recs := c.poll(2)
		c.begin()
		c.copy(recs...)
		w.Cluster().ControlKey(kmsg.EndTxn.Int16(), func(kmsg.Request) (kmsg.Response, error, bool) {
			w.Cluster().SleepControl(func() { <-time.After(3 * limit) })
			return nil, nil, false
		})
		o := c.commit()
		t.Log(o)
		<-time.After(10 * limit)
		ended := o.Ended
		if ended == transaction.Unresolved {
			c.cl.CloseAllowingRebalance()
			ended = w.member().Resolve(t.Context(), o.Doubt).Ended
		}
		switch ended {
		case transaction.Committed:
			w.agree(2, 2)
		case transaction.Aborted:
			w.agree(0, 0)
		default:
			require.FailNow(t, "it was not found out", "%v", o)
		}
	})
}
