package kclient

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vicuna-go/vicuna/internal/partition"
	"github.com/vicuna-go/vicuna/internal/testlog"
	"github.com/vicuna-go/vicuna/settings"
)

// deliveryTimeout is one that a test can wait for.
const deliveryTimeout = time.Second

func hurried() settings.ProducerOption {
	return settings.DeliveryTimeout(deliveryTimeout)
}

func soon() settings.ProducerOption { return settings.RequestTimeout(500 * time.Millisecond) }

// slack is how much later than its deadline a record may end where no broker can
// be reached; see Deadlines.
const slack = 10 * time.Second

func await(t *testing.T, ch <-chan outcome) outcome {
	t.Helper()
	select {
	case o := <-ch:
		return o
	case <-time.After(deliveryTimeout + slack):
		require.Fail(t, "a record without an outcome")
		return outcome{}
	}
}

func TestPartitionsOnABroker(t *testing.T) {
	k := cluster(t, 7)
	cl := client(t, config(t, k.ListenAddrs(), settings.Linger(0)))
	d := NewDeadlines(cl.Context(), time.Minute)
	defer d.Close()
	for p := range int32(7) {
		o := await(t, send(cl, d, time.Minute, &kgo.Record{Topic: "t", Key: []byte("128"), Partition: p}))
		require.NoError(t, o.err)
		require.Equal(t, p, o.record.Partition, "the record's own partition, whatever its key")
	}
	for key, hash := range map[string]int32{"0": 971027396, "1": -1993445489, "128": -326012175, "100:48069": 1009543857} {
		o := await(t, send(cl, d, time.Minute, &kgo.Record{Topic: "t", Key: []byte(key), Partition: partition.Unset}))
		require.NoError(t, o.err)
		require.Equal(t, (hash&0x7fffffff)%7, o.record.Partition, "key %q", key)
	}
	seen := map[int32]bool{}
	for i := 0; len(seen) < 7; i++ {
		require.Less(t, i, 1000, "some partition never gets a record without a key")
		o := await(t, send(cl, d, time.Minute, &kgo.Record{Topic: "t", Value: make([]byte, 40<<10), Partition: partition.Unset}))
		require.NoError(t, o.err)
		seen[o.record.Partition] = true
	}
}

func TestPartitionThatIsNotThere(t *testing.T) {
	k := cluster(t, 3)
	cl := client(t, config(t, k.ListenAddrs(), settings.Linger(0)))
	d := NewDeadlines(cl.Context(), time.Minute)
	defer d.Close()
	for range 2 { // the topic unknown, then known: two ways through franz-go
		err := await(t, send(cl, d, time.Minute, &kgo.Record{Topic: "t", Partition: 3})).err
		var pe *PartitionError
		require.ErrorAs(t, err, &pe, "franz-go's words for it may have changed: %v", err)
		require.Equal(t, "t", pe.Topic)
		require.EqualValues(t, 3, pe.Partition)
		require.ErrorContains(t, err, `topic "t" has no partition 3`)
	}
}

func TestUsersPartitioner(t *testing.T) {
	boom := errors.New("boom")
	own := kgo.BasicConsistentPartitioner(func(string) func(*kgo.Record, int) int {
		return func(r *kgo.Record, n int) int {
			switch string(r.Value) {
			case "panic":
				panic(boom)
			case "far":
				return n
			}
			return n - 1
		}
	})
	k := cluster(t, 3)
	cl := client(t, config(t, k.ListenAddrs(), settings.Linger(0), settings.Partitioner(own)))
	d := NewDeadlines(cl.Context(), time.Minute)
	defer d.Close()
	for range 2 {
		err := await(t, send(cl, d, time.Minute, &kgo.Record{Topic: "t", Partition: -1, Value: []byte("panic")})).err
		require.ErrorIs(t, err, boom, "not the process but the record")
		var pe *PartitionError
		require.ErrorAs(t, err, &pe)
	}
	err := await(t, send(cl, d, time.Minute, &kgo.Record{Topic: "t", Partition: -1, Value: []byte("far")})).err
	require.ErrorContains(t, err, `no partition of topic "t" chosen`)

	o := await(t, send(cl, d, time.Minute, &kgo.Record{Topic: "t", Partition: -1}))
	require.NoError(t, o.err)
	require.EqualValues(t, 2, o.record.Partition)
	o = await(t, send(cl, d, time.Minute, &kgo.Record{Topic: "t", Partition: 1}))
	require.NoError(t, o.err)
	require.EqualValues(t, 1, o.record.Partition, "the record's own partition wins")
}

func TestOldTimestampsAreDelivered(t *testing.T) {
	// The reason why kgo.RecordDeliveryTimeout is not used: it would fail
	// this record before it is sent.
	k := cluster(t, 1)
	cl := client(t, config(t, k.ListenAddrs(), settings.Linger(0)))
	d := NewDeadlines(cl.Context(), time.Minute)
	defer d.Close()
	then := time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)
	require.NoError(t, await(t, send(cl, d, time.Minute, &kgo.Record{Topic: "t", Timestamp: then})).err)
}

func TestDeliveryTimesOut(t *testing.T) {
	t.Run("nobody listens", func(t *testing.T) {
		t.Parallel()
		addr := closedPort(t)
		cl := client(t, config(t, []string{addr}, testlog.Silent(), hurried(), soon()))
		timesOut(t, cl, &UnreachableError{Addrs: []string{addr}})
	})
	t.Run("somebody listens and is silent", func(t *testing.T) {
		t.Parallel()
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer l.Close()
		cl := client(t, config(t, []string{l.Addr().String()}, testlog.Silent(), hurried(), soon()))
		timesOut(t, cl, &UnreachableError{Addrs: []string{l.Addr().String()}})
	})
	t.Run("the dialer hangs", func(t *testing.T) {
		t.Parallel()
		cl := client(t, config(t, []string{"a:1"}, testlog.Silent(), hurried(), soon(), settings.Dialer(hangingDialer)))
		timesOut(t, cl, &UnreachableError{Addrs: []string{"a:1"}})
	})
	t.Run("the broker keeps the answer", func(t *testing.T) {
		t.Parallel()
		k := cluster(t, 1)
		cl := client(t, config(t, k.ListenAddrs(), testlog.Silent(), hurried(), soon(), settings.Linger(0)))
		require.NoError(t, cl.ProduceSync(t.Context(), &kgo.Record{Topic: "t", Partition: -1}).FirstErr())
		k.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
			k.KeepControl()
			return nil, nil, true
		})
		timesOut(t, cl, nil)
	})
	t.Run("the broker dies and comes back too late", func(t *testing.T) {
		t.Parallel()
		k := cluster(t, 1)
		l := &link{}
		cl := client(t, config(t, k.ListenAddrs(), testlog.Silent(), hurried(), soon(), settings.Linger(0), settings.Dialer(l.dial)))
		require.NoError(t, cl.ProduceSync(t.Context(), &kgo.Record{Topic: "t", Partition: -1}).FirstErr())
		l.set(true)
		timesOut(t, cl, &UnreachableError{Addrs: k.ListenAddrs()})
		l.set(false)
		works(t, cl)
	})
	t.Run("the broker dies with the request in flight", func(t *testing.T) {
		t.Parallel()
		k := cluster(t, 1)
		l := &link{}
		cl := client(t, config(t, k.ListenAddrs(), testlog.Silent(), hurried(), soon(), settings.Linger(0), settings.Dialer(l.dial)))
		require.NoError(t, cl.ProduceSync(t.Context(), &kgo.Record{Topic: "t", Partition: -1}).FirstErr())
		k.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
			l.set(true)
			return nil, nil, true
		})
		timesOut(t, cl, &UnreachableError{Addrs: k.ListenAddrs()})
		l.set(false)
		works(t, cl)
	})
}

// timesOut produces two records that cannot be delivered, and holds their errors
// against what is to be found in them.
func timesOut(t *testing.T, cl *kgo.Client, unreachable *UnreachableError) {
	t.Helper()
	d := NewDeadlines(cl.Context(), deliveryTimeout)
	defer d.Close()
	start := time.Now()
	first := send(cl, d, deliveryTimeout, &kgo.Record{Topic: "t", Value: []byte("a"), Partition: -1})
	second := send(cl, d, deliveryTimeout, &kgo.Record{Topic: "t", Value: []byte("b"), Partition: -1})
	for _, ch := range []<-chan outcome{first, second} {
		o := await(t, ch)
		var timeout *DeliveryTimeoutError
		require.ErrorAs(t, o.err, &timeout)
		require.Equal(t, "t", timeout.Topic)
		require.Equal(t, deliveryTimeout, timeout.Timeout)
		require.ErrorIs(t, o.err, kgo.ErrRecordTimeout)
		require.GreaterOrEqual(t, o.at.Sub(start), deliveryTimeout)
		t.Logf("%v late: %v", o.at.Sub(start)-deliveryTimeout, o.err)
		var u *UnreachableError
		if unreachable == nil {
			require.NotErrorAs(t, o.err, &u)
			continue
		}
		require.ErrorAs(t, o.err, &u)
		require.Equal(t, unreachable.Addrs, u.Addrs)
		require.NotNil(t, Unreachable(cl))
	}
}

// works produces a record that is to arrive.
func works(t *testing.T, cl *kgo.Client) {
	t.Helper()
	d := NewDeadlines(cl.Context(), time.Minute)
	defer d.Close()
	for i := range 3 {
		require.NoError(t, await(t, send(cl, d, time.Minute, &kgo.Record{Topic: "t", Value: fmt.Append(nil, i), Partition: -1})).err)
	}
	require.Nil(t, Unreachable(cl))
}

func TestABrokerThatComesBackInTime(t *testing.T) {
	k := cluster(t, 1)
	l := &link{}
	j := &testlog.Log{}
	cl := client(t, config(t, k.ListenAddrs(), j.Option(), settings.Linger(0), settings.Dialer(l.dial)))
	d := NewDeadlines(cl.Context(), time.Minute)
	defer d.Close()
	require.NoError(t, await(t, send(cl, d, time.Minute, &kgo.Record{Topic: "t", Partition: -1})).err)
	l.set(true)
	ch := send(cl, d, time.Minute, &kgo.Record{Topic: "t", Partition: -1})
	j.Await(t, "") // franz-go tells of a dial that failed
	l.set(false)
	require.NoError(t, await(t, ch).err, "a dialer's own error is the network's: tried again, not failed")
}

func TestErrorsThatAreDefiniteStayAsTheyAre(t *testing.T) {
	k := cluster(t, 1)
	cl := client(t, config(t, k.ListenAddrs(), testlog.Silent(), settings.Linger(0), settings.BatchBytes(600)))
	d := NewDeadlines(cl.Context(), time.Minute)
	defer d.Close()
	require.ErrorIs(t, await(t, send(cl, d, time.Minute, &kgo.Record{Topic: "t", Value: make([]byte, 1000), Partition: -1})).err, kerr.MessageTooLarge)
	soon := NewDeadlines(cl.Context(), deliveryTimeout)
	defer soon.Close()
	err := await(t, send(cl, soon, deliveryTimeout, &kgo.Record{Topic: "unknown", Partition: -1})).err
	require.ErrorIs(t, err, kgo.ErrRecordTimeout)
	require.ErrorIs(t, err, kerr.UnknownTopicOrPartition)
	require.NoError(t, Explain(cl, &kgo.Record{}, -1, time.Minute, nil))
}

// franz-go fails a partition's whole buffer with its oldest record.
func TestARecordThatEndsWithAnOlderOne(t *testing.T) {
	t.Parallel()
	k := cluster(t, 1)
	cl := client(t, config(t, k.ListenAddrs(), testlog.Silent(), hurried(), soon(), settings.Linger(0)))
	require.NoError(t, cl.ProduceSync(t.Context(), &kgo.Record{Topic: "t", Partition: 0}).FirstErr())
	k.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		return nil, nil, true
	})
	d := NewDeadlines(cl.Context(), deliveryTimeout)
	defer d.Close()
	older := send(cl, d, deliveryTimeout, &kgo.Record{Topic: "t", Partition: 0})
	<-time.After(deliveryTimeout * 3 / 4)
	start := time.Now()
	younger := send(cl, d, deliveryTimeout, &kgo.Record{Topic: "t", Partition: 0})

	var timeout *DeliveryTimeoutError
	require.ErrorAs(t, await(t, older).err, &timeout)
	require.False(t, timeout.Neighbour)
	require.NotContains(t, timeout.Error(), "older")

	o := await(t, younger)
	require.Less(t, o.at.Sub(start), deliveryTimeout)
	require.ErrorAs(t, o.err, &timeout)
	require.Equal(t, &DeliveryTimeoutError{Topic: "t", Timeout: deliveryTimeout, Neighbour: true}, timeout)
	require.ErrorIs(t, o.err, kgo.ErrRecordTimeout)
	require.Contains(t, o.err.Error(), "older one of its partition")
}

func TestDeadlinesOfOthersStayAsTheyAre(t *testing.T) {
	cl := client(t, config(t, []string{closedPort(t)}, testlog.Silent()))
	d := NewDeadlines(cl.Context(), time.Minute)
	defer d.Close()
	theirs, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, ctx := range []context.Context{nil, theirs} {
		require.Equal(t, context.DeadlineExceeded, Explain(cl, &kgo.Record{Context: ctx}, -1, time.Minute, context.DeadlineExceeded))
	}
	ours := &kgo.Record{Context: d.Context(time.Now())}
	require.Equal(t, kgo.ErrAborting, Explain(cl, ours, -1, time.Minute, kgo.ErrAborting))
	require.Equal(t, context.Canceled, Explain(cl, ours, -1, time.Minute, context.Canceled))
}

// With no connection to the broker it is the network's error that franz-go fails
// the buffer with.
func TestARecordThatEndsWithAnOlderOneWithoutABroker(t *testing.T) {
	t.Parallel()
	k := cluster(t, 1)
	l := &link{}
	cl := client(t, config(t, k.ListenAddrs(), testlog.Silent(), hurried(), soon(), settings.Linger(0), settings.Dialer(l.dial)))
	require.NoError(t, cl.ProduceSync(t.Context(), &kgo.Record{Topic: "t", Partition: 0}).FirstErr())
	l.set(true)
	d := NewDeadlines(cl.Context(), deliveryTimeout)
	defer d.Close()
	var all []<-chan outcome
	for range 10 {
		all = append(all, send(cl, d, deliveryTimeout, &kgo.Record{Topic: "t", Partition: 0}))
		<-time.After(deliveryTimeout / 4)
	}
	for _, ch := range all {
		var timeout *DeliveryTimeoutError
		require.ErrorAs(t, await(t, ch).err, &timeout)
	}
	ours := &kgo.Record{Topic: "t", Context: d.Context(time.Now())}
	var timeout *DeliveryTimeoutError
	require.ErrorAs(t, Explain(cl, ours, -1, deliveryTimeout, dialError("tcp", errCut)), &timeout)
	require.True(t, timeout.Neighbour)
	require.ErrorIs(t, timeout, errCut)
}
