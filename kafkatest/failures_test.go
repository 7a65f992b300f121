package kafkatest_test

import (
	"crypto/tls"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/serde"
)

// recorder is a test that may fail.
type recorder struct {
	testing.TB
	message string
}

func (r *recorder) Helper() {}

func (r *recorder) Errorf(format string, args ...any) { r.message += fmt.Sprintf(format, args...) }

func (r *recorder) Fatal(args ...any) {
	r.message += fmt.Sprint(args...)
	r.FailNow()
}

func (r *recorder) Fatalf(format string, args ...any) {
	r.message += fmt.Sprintf(format, args...)
	r.FailNow()
}

func (r *recorder) FailNow() { runtime.Goexit() }

// failure returns what fn fails its test with.
func failure(t *testing.T, fn func(t testing.TB)) string {
	t.Helper()
	r := &recorder{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		fn(r)
	}()
	<-done
	require.NotEmpty(t, r.message, "it should have failed")
	return r.message
}

func TestExpectListsWhatArrived(t *testing.T) {
	k := kafkatest.Start(t, kafkatest.Topics(1, "t"), kafkatest.Patience(300*time.Millisecond))
	kafkatest.Produce(t, k, "t", kgo.KeyStringRecord("k", "first"), kgo.StringRecord("second"))
	msg := failure(t, func(t testing.TB) { kafkatest.Expect(t, k, "t", serde.String(), serde.String(), 3) })
	require.Contains(t, msg, `topic "t" has 2 records after 300ms, and not 3`)
	require.Contains(t, msg, `t[0]@0 key "k" value "first"`)
	require.Contains(t, msg, `t[0]@1 key null value "second"`)

	msg = failure(t, func(t testing.TB) { kafkatest.Expect(t, k, "missing", serde.String(), serde.String(), 1) })
	require.Contains(t, msg, `topic "missing" has 0 records`)
	require.Contains(t, msg, "nothing")
}

func TestExpectWaitsForTheTopic(t *testing.T) {
	k := kafkatest.Start(t)
	cl := newClient(t, k, kgo.AllowAutoTopicCreation())
	done := make(chan []kafkatest.Received[struct{}, string])
	go func() { done <- kafkatest.Expect(t, k, "later", serde.None(), serde.String(), 1) }()
	require.NoError(t, <-send(t.Context(), cl, "later", "x"))
	require.Len(t, <-done, 1)
}

func TestDeserialisationFailsTheTest(t *testing.T) {
	k := kafkatest.Start(t)
	kafkatest.Produce(t, k, "t", kgo.KeyStringRecord("k", "not a number"))
	msg := failure(t, func(t testing.TB) { kafkatest.Expect(t, k, "t", serde.String(), serde.Int64(), 1) })
	require.Contains(t, msg, "the value: vicuna: serde: deserialize int64")
	require.Contains(t, msg, `t[0]@0 key "k" value "not a number"`)
	msg = failure(t, func(t testing.TB) { kafkatest.ReadAllAs(t, k, "t", serde.Int64(), serde.String()) })
	require.Contains(t, msg, "the key: vicuna: serde: deserialize int64")
}

func TestMisuseFailsTheTest(t *testing.T) {
	r := &recorder{TB: t}
	k := kafkatest.Start(r, kafkatest.InMemory(), kafkatest.Patience(300*time.Millisecond))
	require.Contains(t, failure(t, func(t testing.TB) { kafkatest.ReadAll(t, k, "missing") }), "UNKNOWN_TOPIC_OR_PARTITION")
	require.Contains(t, failure(t, func(t testing.TB) { k.Restart(t) }), "InMemory")
	require.Contains(t, failure(t, func(t testing.TB) { k.AwaitHeld(t, 1) }), "0 answers are withheld")

	// These have no test of their own in their arguments, and fail the broker's.
	broken := func(fn func()) string {
		r.message = ""
		failure(t, func(t testing.TB) {
			defer func() { t.Errorf("%s", r.message) }()
			fn()
		})
		return r.message
	}
	require.Contains(t, broken(func() { k.HoldAcks("missing") }), `no topic "missing"`)
	k.Kill()
	require.Contains(t, broken(func() { k.Cluster() }), "was killed")
	require.Contains(t, failure(t, func(t testing.TB) { kafkatest.ProduceValues(t, k, "t", "x") }), "producing to")
}

func TestTLS(t *testing.T) {
	cert := certificate(t)
	k := kafkatest.Start(t, kafkatest.Topics(1, "t"),
		kafkatest.TLS(&tls.Config{Certificates: []tls.Certificate{cert}}),
		kafkatest.Clients(kgo.DialTLSConfig(&tls.Config{InsecureSkipVerify: true})), //nolint:gosec // the test's own certificate
	)
	cl := newClient(t, k, kgo.ProducerLinger(0))
	release := k.HoldAcks("t")
	done := send(t.Context(), cl, "t", "x")
	k.AwaitHeld(t, 1)
	release()
	require.NoError(t, <-done)
	k.Restart(t)
	require.Len(t, kafkatest.ReadAll(t, k, "t"), 1)
}

func TestDataDirOutlivesTheBroker(t *testing.T) {
	dir := t.TempDir()
	t.Run("first", func(t *testing.T) {
		kafkatest.ProduceValues(t, kafkatest.Start(t, kafkatest.DataDir(dir)), "t", "a")
	})
	t.Run("second", func(t *testing.T) {
		require.Len(t, kafkatest.ReadAll(t, kafkatest.Start(t, kafkatest.DataDir(dir)), "t"), 1)
	})
}

func TestRequestsWithoutAnswersAreNotKept(t *testing.T) {
	k := kafkatest.Start(t, kafkatest.Topics(1, "t"))
	cl := newClient(t, k, kgo.RequiredAcks(kgo.NoAck()), kgo.DisableIdempotentWrite(), kgo.ProducerLinger(0))
	release := k.HoldAcks("t")
	defer release()
	for range 20 {
		require.NoError(t, <-send(t.Context(), cl, "t", "x"))
	}
	require.Len(t, kafkatest.Expect(t, k, "t", serde.None(), serde.String(), 20), 20)
	require.Zero(t, k.Held(), "there is nothing to withhold")
}
