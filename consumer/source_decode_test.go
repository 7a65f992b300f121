package consumer_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/internal/testlog"
	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/serde"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

var errBad = errors.New("bad bytes")

// moody is a serde for strings that fails on those that begin with bad, and panics on those that
// begin with panic.
type moody struct{ serde.Serde[string] }

func (m moody) Deserialize(topic string, data []byte) (string, error) {
	switch {
	case strings.HasPrefix(string(data), "bad"):
		return "", errBad
	case strings.HasPrefix(string(data), "panic"):
		panic("moody")
	}
	return m.Serde.Deserialize(topic, data)
}

func moodyReader(w *grouptest.World, opts ...settings.ConsumerOption) settings.Consumer[string, string] {
	quiet := &testlog.Log{}
	m := moody{serde.String()}
	return settings.NewConsumer[string, string](m, m, w.Bootstrap(), w.Dialer(), settings.Group(w.Group), quiet.Option()).With(opts...)
}

// withMoods writes ten records to partition 0: the sixth has a value that cannot be decoded, or a
// key, or is one that the serde panics at.
func withMoods(t *testing.T, w *grouptest.World, sixth *kgo.Record) {
	t.Helper()
	recs := make([]*kgo.Record, 10)
	for i, v := range grouptest.Values(0, 0, 10) {
		recs[i] = kgo.StringRecord(v)
	}
	recs[5] = sixth
	kafkatest.ProduceTo(t, w.Broker, "in", 0, recs...)
}

func onMoods(t *testing.T, fn func(t *testing.T, w *grouptest.World, part string, check func(error))) {
	t.Helper()
	for name, c := range map[string]struct {
		rec   *kgo.Record
		part  string
		check func(t *testing.T, err error)
	}{
		"value": {kgo.StringRecord("bad value"), "value", func(t *testing.T, err error) { require.ErrorIs(t, err, errBad) }},
		"key":   {kgo.KeyStringRecord("bad key", "fine"), "key", func(t *testing.T, err error) { require.ErrorIs(t, err, errBad) }},
		"both":  {kgo.KeyStringRecord("bad key", "bad value"), "key", func(t *testing.T, err error) { require.ErrorIs(t, err, errBad) }},
		"panic": {kgo.StringRecord("panic"), "value", func(t *testing.T, err error) {
			var p *stream.PanicError
			require.ErrorAs(t, err, &p)
			require.Equal(t, "moody", p.Value)
			require.Contains(t, string(p.Stack), "moody")
		}},
		"panic at a key": {kgo.KeyStringRecord("panic", "fine"), "key", func(t *testing.T, err error) {
			var p *stream.PanicError
			require.ErrorAs(t, err, &p)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			grouptest.Calmly(t, 1, func(t *testing.T, w *grouptest.World) {
				rec := *c.rec
				withMoods(t, w, &rec)
				fn(t, w, c.part, func(err error) {
					var d *consumer.DecodeError
					require.ErrorAs(t, err, &d)
					require.Equal(t, consumer.DecodeError{Topic: "in", Partition: 0, Offset: 5, Part: c.part, Err: d.Err}, *d)
					c.check(t, err)
				})
			})
		})
	}
}

// readAndCommit is a stream with a Committer behind a function.
func readAndCommit(c *strConsumer, take takeRecord) stream.Graph {
	taken := stream.TryMap(c.CommittableSource(), func(ctx context.Context, m *strMessage) (envelope.Committable, error) {
		return m.Offset, take(ctx, &m.Record)
	})
	return taken.To(consumer.CommitterSink(settings.NewCommitter()))
}

// By default the stream fails at a record that cannot be decoded, after those before it, which are
// committed.
func TestUndecodableFails(t *testing.T) {
	onMoods(t, func(t *testing.T, w *grouptest.World, _ string, check func(error)) {
		for range 2 { // and again
			got := &grouptest.Deliveries{}
			c := consumer.New(moodyReader(w), consumer.Topics("in"), consumer.ToEnd())
			err := readAndCommit(c, got.Take).Run(t.Context())
			check(err)
			var at *stream.StageError
			require.ErrorAs(t, err, &at)
			require.True(t, at.Located)
			require.Equal(t, "in[0]@5", consumer.TopicPartition{Topic: at.Topic, Partition: at.Partition}.String()+"@"+string(rune('0'+at.Offset)))
			require.Equal(t, "committableSource", at.Stage)
			require.EqualValues(t, 5, w.Committed(0))
			require.LessOrEqual(t, got.Count(), 5)
		}
	})
}

// Skipped ones are counted, logged, and passed by what is committed.
func TestUndecodableIsSkipped(t *testing.T) {
	onMoods(t, func(t *testing.T, w *grouptest.World, part string, _ func(error)) {
		got, log := &grouptest.Deliveries{}, &testlog.Log{}
		c := consumer.New(moodyReader(w, settings.Undecodable(settings.SkipUndecodable), log.Option()), consumer.Topics("in"), consumer.ToEnd())
		ctl := w.Start(readAndCommit(c, got.Take))
		require.NoError(t, w.Outcome(ctl))
		require.Equal(t, slices.Delete(grouptest.Values(0, 0, 10), 5, 6), got.Values(0))
		require.EqualValues(t, 10, w.Committed(0))
		require.Equal(t, 1, log.Count("is skipped"))
		require.Equal(t, 1, log.Count("in[0]@5: the "+part+" cannot be decoded"))
		skipped := uint64(0)
		for _, st := range ctl.Snapshot().Stages {
			skipped += st.Skipped
		}
		require.EqualValues(t, 1, skipped)
	})
}

// Delivered ones say why, and have their bytes.
func TestUndecodableIsDelivered(t *testing.T) {
	onMoods(t, func(t *testing.T, w *grouptest.World, part string, check func(error)) {
		c := consumer.New(moodyReader(w, settings.Undecodable(settings.DeliverUndecodable)), consumer.Topics("in"), consumer.ToEnd())
		recs, err := stream.Collect(t.Context(), c.PlainSource())
		require.NoError(t, err)
		require.Len(t, recs, 10)
		for i, r := range recs {
			require.EqualValues(t, i, r.Offset())
			if i != 5 {
				require.NoError(t, r.Err())
				continue
			}
			check(r.Err())
			require.NotEmpty(t, string(r.RawKey())+string(r.RawValue()))
			if part == "key" && string(r.RawValue()) == "fine" && string(r.RawKey()) == "bad key" {
				require.Equal(t, "fine", r.Value)
			}
		}
	})
}

// Every source looks at what could not be decoded.
func TestEverySourceMindsUndecodable(t *testing.T) {
	onAllSources(t, 1, func(t *testing.T, w *grouptest.World, graph sourceGraph) {
		withMoods(t, w, kgo.StringRecord("bad"))
		for _, policy := range []settings.UndecodablePolicy{settings.SkipUndecodable, settings.DeliverUndecodable, settings.FailUndecodable} {
			got := &grouptest.Deliveries{}
			group := settings.Group(policy.String()) // each begins anew
			c := consumer.New(moodyReader(w, settings.Undecodable(policy), group), consumer.Topics("in"), consumer.ToEnd())
			err := graph(c, got.Take).Run(t.Context())
			switch policy {
			case settings.FailUndecodable:
				require.ErrorIs(t, err, errBad)
				require.LessOrEqual(t, got.Count(), 5)
			case settings.SkipUndecodable:
				require.NoError(t, err)
				require.Equal(t, 9, got.Count())
			case settings.DeliverUndecodable:
				require.NoError(t, err)
				require.Equal(t, 10, got.Count())
			}
		}
	})
}

// A metadata function that fails, or panics, ends the stream when its record's turn has come,
// whatever the policy for undecodable records is; it is not called for those.
func TestMetadataFunctionFails(t *testing.T) {
	for name, fail := range map[string]func() error{"error": func() error { return errBad }, "panic": func() error { panic("moody") }} {
		t.Run(name, func(t *testing.T) {
			grouptest.Calmly(t, 1, func(t *testing.T, w *grouptest.World) {
				withMoods(t, w, kgo.StringRecord("bad"))
				got := &grouptest.Deliveries{}
				c := consumer.New(moodyReader(w, settings.Undecodable(settings.SkipUndecodable)), consumer.Topics("in"), consumer.ToEnd())
				src := c.CommitWithMetadataSource(func(r *strRecord) (string, error) {
					if r.Offset() == 7 {
						return "", fail()
					}
					if r.Offset() == 5 {
						t.Error("called for a record that is no record")
					}
					return r.Value, nil
				})
				err := src.To(got.Committing()).Run(t.Context())
				var user *consumer.UserError
				require.ErrorAs(t, err, &user)
				require.Equal(t, "metadata function", user.What)
				require.Equal(t, ats(1), user.Partitions)
				require.ErrorContains(t, err, "offset 7")
				require.Equal(t, []string{"0/0", "0/1", "0/2", "0/3", "0/4", "0/6"}, got.Values(0))
			})
		})
	}
}
