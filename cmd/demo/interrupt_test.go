package main

import (
	"fmt"
	"os"
	"os/exec"
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

// A process, a pipe and a signal.
func TestSignal(t *testing.T) {
	for _, sig := range []os.Signal{os.Interrupt} {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-input", "-")
		cmd.Env = append(os.Environ(), asProgram+"=1", "KAFKA_BOOTSTRAP_SERVERS=", "INPUT=")
		out := newOutput()
		cmd.Stdout, cmd.Stderr = out, out
		in, err := cmd.StdinPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		_, err = in.Write([]byte("{\"customer\":\"ada\"}\n{\"customer\":\"bela\"}\n"))
		require.NoError(t, err)
		out.await(t, "2 lines read, 2 orders written (0 in flight), 2 copied")
		require.NoError(t, cmd.Process.Signal(sig))
		err = cmd.Wait()
		var exit *exec.ExitError
		require.ErrorAs(t, err, &exit, "%s", out)
		require.Equal(t, 130, exit.ExitCode(), "%s", out)
		require.Contains(t, out.String(), "drained: 2 lines went in, 2 of them were acknowledged; 2 are copied and committed, 0 are left")
		require.Contains(t, out.String(), "verified:")
	}
}
