//go:build synctests

package consumer_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// allButOne finishes all messages by hand but for the fifth, which is forgotten.
func allButOne() stream.Sink[*strMessage] {
	n := 0
	return stream.Broadcast(stream.ForEachManual(func(_ context.Context, m *strMessage) error {
		if n++; n != 5 {
			m.Offset.Commit()
		}
		return nil
	}), observing(settings.NewCommitter()))
}

// unanswered are sources that complete, with a record that nobody answers.
var unanswered = map[string]func(w *grouptest.World) (*strConsumer, stream.Source[*strMessage]){
	"to the end": func(w *grouptest.World) (*strConsumer, stream.Source[*strMessage]) {
		c := w.ToEnd()
		return c, c.CommittableSource()
	},
	"a take": func(w *grouptest.World) (*strConsumer, stream.Source[*strMessage]) {
		c := w.Consumer()
		return c, c.CommittableSource().Take(10)
	},
}

// A run whose source has completed ends after the close time-out, whoever has forgotten an answer.
func TestCompletedRunEndsWithoutAnAnswer(t *testing.T) {
	for name, source := range unanswered {
		t.Run(name, func(t *testing.T) {
			for range 10 { // the last hand-over ends at about the moment at which it is looked
				grouptest.Calmly(t, 1, func(t *testing.T, w *grouptest.World) {
					w.Fill(1, 0, 10)
					_, src := source(w)
					began := time.Now()
					require.NoError(t, w.Outcome(w.Start(src.To(allButOne()))))
					require.LessOrEqual(t, time.Since(began), 20*time.Second)
					require.EqualValues(t, 4, w.Committed(0))
				})
			}
		})
	}
}

// In a run that goes on, such a source leaves its group after the close time-out, and the run can
// be drained.
func TestCompletedSourceLeavesWithoutAnAnswer(t *testing.T) {
	for name, source := range unanswered {
		t.Run(name, func(t *testing.T) {
			for range 10 {
				grouptest.Calmly(t, 1, func(t *testing.T, w *grouptest.World) {
					w.Fill(1, 0, 10)
					c, src := source(w)
					ctl := w.Start(stream.Concat(src, stream.FromChan(make(chan *strMessage))).To(allButOne()))
					w.Pass(time.Minute)
					ps, _ := c.Assignment()
					require.Empty(t, ps, "the group is left")
					began := time.Now()
					ctl.Drain(t.Context())
					<-ctl.Done()
					require.LessOrEqual(t, time.Since(began), time.Second)
				})
			}
		})
	}
}
