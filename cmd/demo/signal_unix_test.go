//go:build unix

package main

import (
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

// A process, a pipe and a signal. Windows lets no process be interrupted from outside of its
// console.
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
