//go:build synctests

package consumer_test

import (
	"context"
	"encoding/binary"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// gate keeps commits from reaching the broker, and what comes after them on their connection.
type gate struct {
	dial settings.DialFunc

	mu    sync.Mutex
	shut  bool
	conns []*gated // with something that was kept
}

func newGate(w *grouptest.World) *gate { return &gate{dial: w.Settings().Dialer()} }

func (g *gate) setting() settings.Option {
	return settings.Dialer(func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := g.dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &gated{Conn: conn, gate: g}, nil
	})
}

func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = true
}

func (g *gate) open() {
	g.mu.Lock()
	g.shut = false
	conns := g.conns
	g.conns = nil
	for _, c := range conns {
		kept := c.kept
		c.kept = nil
		go func() { _, _ = c.Conn.Write(kept) }()
	}
	g.mu.Unlock()
}

type gated struct {
	net.Conn
	gate *gate
	kept []byte
}

func (c *gated) Write(b []byte) (int, error) {
	commit := len(b) > 6 && kmsg.Key(binary.BigEndian.Uint16(b[4:])) == kmsg.OffsetCommit
	c.gate.mu.Lock()
	if c.gate.shut && (commit || c.kept != nil) {
		if c.kept == nil {
			c.gate.conns = append(c.gate.conns, c)
		}
		c.kept = append(c.kept, b...)
		c.gate.mu.Unlock()
		return len(b), nil
	}
	c.gate.mu.Unlock()
	return c.Conn.Write(b)
}

// A broker that does not answer a commit ends the stream that waits for it, and its run in time.
func TestCommitIsNotAnswered(t *testing.T) {
	grouptest.Run(t, 1, func(t *testing.T, w *grouptest.World) {
		w.Write(0, 0, 100)
		g := newGate(w)
		g.close()
		begin := time.Now()
		err := grouptest.Offsets(w.ToEnd(g.setting(), settings.CommitTimeout(2*time.Second)).CommittableSource()).To(consumer.CommitterSink(onlyAtTheEnd())).
			Run(t.Context(), stream.CloseTimeout(3*time.Second))
		var late *consumer.CommitError
		require.ErrorAs(t, err, &late)
		took := time.Since(begin)
		t.Log(took, err)
		require.Less(t, took, 12*time.Second)
	})
}

// One that answers late, but in time, does no harm.
func TestCommitIsAnsweredLate(t *testing.T) {
	grouptest.Run(t, 1, func(t *testing.T, w *grouptest.World) {
		w.Write(0, 0, 100)
		g := newGate(w)
		g.close()
		time.AfterFunc(4*time.Second, g.open) // before the time for the last commit is over
		require.NoError(t, grouptest.Offsets(w.ToEnd(g.setting()).CommittableSource()).To(consumer.CommitterSink(onlyAtTheEnd())).Run(t.Context()))
		require.EqualValues(t, 100, w.Committed(0))
	})
}

// While commits are not answered, records go on; what was finished meanwhile goes with the next
// one.
func TestCommitDoesNotHoldUpRecords(t *testing.T) {
	grouptest.Run(t, 1, func(t *testing.T, w *grouptest.World) {
		w.Write(0, 0, 100)
		g := newGate(w)
		g.close()
		ctl := w.Start(grouptest.Offsets(w.Consumer(g.setting()).CommittableSource()).To(consumer.CommitterSink(quickly())))
		synctest.Wait()
		<-time.After(time.Second) // of the bubble's
		w.Write(0, 100, 1000)
		<-time.After(time.Second)
		require.EqualValues(t, -1, w.Committed(0))
		g.open()
		w.Journal.AwaitCommit(t, 0, 1000)
		require.Equal(t, 2, w.Journal.CommitRequests())
		require.NoError(t, ctl.Drain(t.Context()))
	})
}

// A run that is stopped while a commit is not answered ends in its time.
func TestCommitIsNotAnsweredAtAStop(t *testing.T) {
	for name, end := range map[string]func(*testing.T, *stream.Control){
		"stop":  func(_ *testing.T, ctl *stream.Control) { ctl.Stop() },
		"drain": func(t *testing.T, ctl *stream.Control) { require.Error(t, ctl.Drain(t.Context())) },
	} {
		t.Run(name, func(t *testing.T) {
			grouptest.Run(t, 1, func(t *testing.T, w *grouptest.World) {
				w.Write(0, 0, 100)
				at := newAtOffset(99)
				g := newGate(w)
				g.close()
				c := w.Consumer(g.setting(), settings.CommitTimeout(2*time.Second))
				ctl := w.Start(grouptest.Offsets(stream.Map(c.CommittableSource(), at.look)).To(consumer.CommitterSink(quickly())), stream.CloseTimeout(3*time.Second))
				<-at.seen
				<-time.After(time.Second)
				begin := time.Now()
				end(t, ctl)
				<-ctl.Done()
				t.Log(time.Since(begin), ctl.Err())
				// two seconds for the commit, and twice three
				require.LessOrEqual(t, time.Since(begin), 9*time.Second)
				var late *consumer.CommitError
				require.ErrorAs(t, ctl.Err(), &late)
				g.open()
				synctest.Wait()
				require.EqualValues(t, -1, w.Committed(0))
			})
		})
	}
}

// The last commit and the leaving take no longer than the shorter one of the two close time-outs,
// and the error says which one that was.
func TestCloseTimeoutsOfTheLastCommit(t *testing.T) {
	for name, c := range map[string]struct {
		own, run time.Duration
		names    string
	}{
		"the settings'": {time.Second, 5 * time.Second, "settings.CloseTimeout (1s)"},
		"the run's":     {10 * time.Second, 2 * time.Second, "stream.CloseTimeout (2s)"},
	} {
		t.Run(name, func(t *testing.T) {
			grouptest.Run(t, 1, func(t *testing.T, w *grouptest.World) {
				w.Write(0, 0, 100)
				at := newAtOffset(99)
				g := newGate(w)
				g.close()
				ctl := w.Start(grouptest.Offsets(stream.Map(w.Consumer(g.setting(), settings.CloseTimeout(c.own)).CommittableSource(), at.look)).
					To(consumer.CommitterSink(quickly())), stream.CloseTimeout(c.run))
				<-at.seen
				w.Pass(time.Second)
				begin := time.Now()
				ctl.Stop()
				<-ctl.Done()
				t.Log(time.Since(begin), ctl.Err())
				// for the commit, and for the leaving
				require.LessOrEqual(t, time.Since(begin), 2*min(c.own, c.run)+atMost)
				var late *consumer.CommitError
				require.ErrorAs(t, ctl.Err(), &late)
				require.True(t, late.Retriable)
				require.Equal(t, ats(1), late.Partitions)
				require.ErrorContains(t, ctl.Err(), c.names)
			})
		})
	}
}
