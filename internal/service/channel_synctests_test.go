//go:build synctests

package service_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// longestAnswer is how long an end waits for those who have taken elements over: as long as the
// consumer takes to close, or as the drain may last.
const longestAnswer = 10 * time.Second

// The reader of a channel is gone when its sender is asked to end: what waits to be sent was never
// taken over, and is given back at once. What was taken over and is not answered for bounds what is
// committed, and the end waits for it.
func TestReaderOfAChannelIsGone(t *testing.T) {
	const read = 100
	for _, p := range protocols {
		for _, answered := range []int{read, read / 2} {
			t.Run(fmt.Sprintf("%s, %d of %d answered", p.Name, answered, read), func(t *testing.T) {
				work := make(chan order)
				sends := source{name: "channel", handle: []consumer.Option{consumer.CommitsElsewhere()}, graph: func(m *member) stream.Graph {
					return stream.Map(m.Handle.CommittableSource(), orderOfMessage).To(stream.ToChan(work))
				}}
				inWorld(t, p, sends, graphs[0], quick, func(w *world) {
					work = make(chan order) // of the bubble
					m := w.member()
					w.write()
					m.start(stream.DrainTimeout(downTimeout))
					answers := make(chan envelope.Committable)
					reader, err := stream.FromChan(answers).To(consumer.CommitterSink(settings.NewCommitter())).Start(context.Background())
					require.NoError(w.t, err)
					done := map[int32]int64{}
					for i := range read {
						o := <-work
						if i < answered {
							answers <- o.commit
							done[o.partition] = o.offset + 1
						}
					}
					close(answers)
					<-reader.Done()
					began := time.Now()
					err = m.Run.Drain(context.Background())
					took := time.Since(began)
					w.stopWriting()
					w.t.Logf("it ended after %v: %v", took, err)
					if answered == read {
						require.NoError(w.t, err)
						require.LessOrEqual(w.t, took, time.Second)
					} else {
						require.LessOrEqual(w.t, took, longestAnswer+time.Second)
					}
					require.True(w.t, sameOffsets(done, w.committed()), "%v and not %v", w.committed(), done)
				})
			})
		}
	}
}
