package main

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vicuna-go/vicuna/kafkatest"
)

func TestInterruptedBeforeTheStart(t *testing.T) {
	p := newProgram(t, nil)
	p.interrupt()
	said := p.result(t, 130)
	require.NotContains(t, said, "verified:")
}

func TestInterruptDrains(t *testing.T) {
	p := newProgram(t, nil, "-input", "-")
	in := p.lines(t)
	p.terminal = true
	p.start()
	for i := range 100 {
		fmt.Fprintf(in, "{\"customer\":%d}\n", i)
	}
	p.out.await(t, "100 lines read")
	p.interrupt()
	p.exits(t, 130)
	require.Contains(t, p.out.String(), "interrupted: what is in flight is being finished")
	require.Regexp(t, `drained: 100 lines went in, 100 of them were acknowledged; \d+ are copied and committed, \d+ are left`, p.out)
	require.Contains(t, p.out.String(), "verified: an invoice for each order that is committed, and no others")
}

func TestSecondInterruptStops(t *testing.T) {
	k := kafkatest.Start(t)
	p := newProgram(t, map[string]string{"KAFKA_BOOTSTRAP_SERVERS": k.Addrs()[0]}, "-input", "-")
	in := p.lines(t)
	p.terminal = true
	released := make(chan struct{})
	p.release = func() { close(released) }
	release := k.HoldAcks()
	defer release()
	p.start()
	fmt.Fprintln(in, `{}`)
	k.AwaitHeld(t, 1)
	p.interrupt()
	p.out.await(t, "interrupted: what is in flight is being finished")
	started := time.Now()
	p.interrupt()
	p.exits(t, 130)
	require.Less(t, time.Since(started), closeTimeout+5*time.Second)
	require.Contains(t, p.out.String(), "stopped: 1 lines went in, 0 of them were acknowledged, 1 have no outcome and may have been written; ")
	require.NotContains(t, p.out.String(), "verified:")
	<-released // a third one is the system's to answer
}

func TestInterruptedWhileReadingBack(t *testing.T) {
	k := kafkatest.Start(t)
	p := newProgram(t, map[string]string{"KAFKA_BOOTSTRAP_SERVERS": k.Addrs()[0]})
	// The verifier begins with the committed offsets of the whole group; members ask for
	// partitions.
	k.Cluster().ControlKey(int16(kmsg.OffsetFetch), func(req kmsg.Request) (kmsg.Response, error, bool) {
		k.Cluster().KeepControl()
		if groups := req.(*kmsg.OffsetFetchRequest).Groups; len(groups) == 1 && groups[0].Topics == nil {
			p.interrupt()
		}
		return nil, nil, false
	})
	p.start()
	p.exits(t, 130)
	require.Contains(t, p.out.String(), "all 1,000 lines were copied; they were not read back and compared to the end")
	require.NotContains(t, p.out.String(), "verified:")
}
