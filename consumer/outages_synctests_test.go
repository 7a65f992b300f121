//go:build synctests

package consumer_test

import (
	"context"
	"fmt"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/settings"
)

// What is told once of a partition is told anew when that has gone and come back, and its end says
// how long that has lasted since.
func TestOutageEndsWithItsPartition(t *testing.T) {
	for name, c := range map[string]struct {
		err  *kerr.Error
		text string
	}{
		"cannot be fetched": {kerr.UnknownServerError, "cannot be fetched"},
		"not known":         {kerr.UnknownTopicID, "does not know a topic that it leads"},
	} {
		t.Run(name, func(t *testing.T) {
			grouptest.Run(t, 1, func(t *testing.T, w *grouptest.World) {
				w.Fill(1, 0, 10)
				m := w.Member()
				m.Start(m.Works(func(context.Context, *strMessage) error { return nil }))
				w.AwaitCommitted(0, 10)
				fault := w.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: "in", Err: c.err, Count: -1})
				w.Until("it is told", func() bool { return w.Log.Count(c.text) > 0 })
				w.Pass(20 * time.Second)
				require.Equal(t, 1, w.Log.Count(c.text), "however often it is met")
				w.PutOut(settings.CooperativeSticky)
				w.Until("it is told again", func() bool { return w.Log.Count(c.text) > 1 })
				w.Pass(5 * time.Second)
				require.Equal(t, 2, w.Log.Count(c.text))
				fault.Remove()
				w.Fill(1, 10, 10)
				w.AwaitCommitted(0, 20)
				require.Equal(t, 1, w.Log.Count("a partition is fetched again"))
				after, err := time.ParseDuration(regexp.MustCompile(`after=(\S+)`).FindStringSubmatch(w.Log.First("a partition is fetched again"))[1])
				require.NoError(t, err)
				require.Less(t, after, 15*time.Second, "since it came back")
				m.Drain()
			})
		})
	}
}

// However many partitions of a bounded run have ends that hold nothing, their brokers are asked for
// all of them at once.
func TestToEndOfManyTails(t *testing.T) {
	const partitions = 60
	grouptest.Calmly(t, partitions, func(t *testing.T, w *grouptest.World) {
		begin := func(id string) *kgo.Client {
			cl, err := kgo.NewClient(append(w.ClientOptions(), kgo.TransactionalID(id), kgo.DefaultProduceTopic("in"), kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
			require.NoError(t, err)
			t.Cleanup(cl.Close)
			require.NoError(t, cl.BeginTransaction())
			var all []*kgo.Record
			for p := range int32(partitions) {
				all = append(all, &kgo.Record{Partition: p, Value: []byte(fmt.Sprint(id, p))})
			}
			require.NoError(t, cl.ProduceSync(context.Background(), all...).FirstErr())
			return cl
		}
		aborted := begin("aborted")
		begin("open")
		require.NoError(t, aborted.EndTransaction(context.Background(), kgo.TryAbort))
		began, got := time.Now(), &grouptest.Deliveries{}
		require.NoError(t, w.Outcome(w.Start(w.ToEnd(settings.Isolation(settings.ReadCommitted)).PlainSource().To(got.Sink()))))
		require.Zero(t, got.Count())
		require.Less(t, time.Since(began), 6*time.Second)
	}, grouptest.Broker(kafkatest.Brokers(3)))
}

// A bounded run that does not end because its brokers do not say what there is tells so, once.
func TestToEndTellsWhatStandsInTheWay(t *testing.T) {
	const text = "do not say what lies before the ends"
	grouptest.Calmly(t, 2, func(t *testing.T, w *grouptest.World) {
		w.Fill(2, 0, 10)
		refused := w.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Err: kerr.NotLeaderForPartition, Count: -1})
		got := &grouptest.Deliveries{}
		ctl := w.Start(w.ToEnd().PlainSource().To(got.Sink()))
		w.Pass(time.Minute)
		require.Equal(t, 1, w.Log.Count(text))
		require.Contains(t, w.Log.First(text), "NOT_LEADER")
		require.Contains(t, w.Log.First(text), "in[0 1]")
		refused.Remove()
		require.NoError(t, w.Outcome(ctl))
		got.RequireWhole(t, 2, 10)
		require.Equal(t, 2, w.Log.Count("a partition is fetched again"))
	})
}
