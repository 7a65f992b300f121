package integration

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vicuna-go/vicuna/internal/transaction"
)

// losing dials connections that lose requests of one sort, or their answers.
type losing struct {
	key  int16
	left atomic.Int64 // how many more; the test writes it, and connections
	fate atomic.Int64 // 0: requests, 1: answers, 2: either, by chance; the test writes it
}

// lose loses so many, or very many; none from the next call with 0 on.
func (l *losing) lose(n int64) {
	l.fate.Store(rand.Int64N(3))
	l.left.Store(n)
}

func (l *losing) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, addr)
	return &losingConn{Conn: conn, l: l}, err
}

// losingConn is a connection of one client, which writes a request at a time.
type losingConn struct {
	net.Conn
	l        *losing
	answered atomic.Bool // the answer that comes next is lost
}

func (c *losingConn) Write(frame []byte) (int, error) {
	if len(frame) > 6 && int16(binary.BigEndian.Uint16(frame[4:])) == c.l.key && c.l.left.Add(-1) >= 0 {
		if fate := c.l.fate.Load(); fate == 0 || fate == 2 && rand.IntN(2) == 0 {
			c.Close()
			return 0, net.ErrClosed
		}
		c.answered.Store(true)
	}
	return c.Conn.Write(frame)
}

func (c *losingConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err == nil && c.answered.Load() {
		c.Close()
		return 0, net.ErrClosed
	}
	return n, err
}

// Whatever gets lost on the way to the end of a transaction and back, its outcome is what a careful
// reader sees.
func TestTransactionLostEnds(t *testing.T) {
	const each = 60
	for name, opts := range protocols {
		t.Run(name, func(t *testing.T) {
			in, out := numbered(t, each), kafka.CreateTopic(t, 1)
			ends, inits := &losing{key: kmsg.EndTxn.Int16()}, &losing{key: kmsg.InitProducerID.Int16()}
			dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
				conn, err := ends.dial(ctx, network, addr)
				return &losingConn{Conn: conn, l: inits}, err
			}
			opts := append([]kgo.Opt{kgo.Dialer(dial), kgo.RequestRetries(2), kgo.RetryBackoffFn(func(int) time.Duration { return 5 * time.Millisecond })}, opts...)
			c := transact(t, in, out, in, opts...)
			recs := c.poll(each)
			outcomes := map[string]int{}
			at, clients := 0, 0
			for range each {
				c.begin(recs[at : at+1])
				ends.lose(rand.Int64N(6) + rand.Int64N(3)*1000)
				inits.lose(rand.Int64N(4))
				o := c.cut(int64(at + 1))
				ends.lose(0)
				inits.lose(0)
				outcomes[o.Ended.String()]++
				ended := o.Ended
				if o.Client != transaction.Usable {
					require.Equal(t, transaction.Unusable, o.Client, "there is no other instance: %v", o)
					c = c.anew()
					c.poll(1) // it is in the group
					clients++
					if ended == transaction.Unresolved {
						ended = c.Resolve(t.Context(), o.Doubt).Ended
					}
				}
				if ended == transaction.Committed {
					at++
				} else {
					require.Equal(t, transaction.Aborted, ended, "%v", o)
				}
				c.requireCopied(int64(at))
			}
			doubts := c.log.Count("was not known")
			t.Log(outcomes, doubts, "were in doubt,", clients, "new clients")
			require.Positive(t, doubts)
		})
	}
}
