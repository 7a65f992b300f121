package process

import (
	"context"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// variable makes this binary a child that does as it says.
const variable = "VICUNA_INTEGRATION_CHILD"

func TestMain(m *testing.M) {
	if text, ok := os.LookupEnv(variable); ok {
		child(text)
	}
	goleak.VerifyTestMain(m)
}

func child(what string) {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGTERM)
	if what == "deaf" {
		signal.Ignore(syscall.SIGTERM)
	}
	_, _ = os.Stdout.WriteString("ready\n")
	switch what {
	case "fail":
		os.Exit(3)
	case "deaf":
		select {}
	}
	<-asked
	os.Exit(0)
}

func startChild(t *testing.T, what string) *Process {
	t.Helper()
	log := filepath.Join(t.TempDir(), "log")
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), variable+"="+what)
	p, err := Start(cmd, log)
	require.NoError(t, err)
	t.Cleanup(func() { _ = p.Kill() })
	require.Eventually(t, func() bool {
		text, err := os.ReadFile(log)
		return err == nil && string(text) == "ready\n"
	}, 10*time.Second, time.Millisecond)
	return p
}

func TestStop(t *testing.T) {
	p := startChild(t, "obedient")
	select {
	case <-p.Exited():
		t.Fatal("it has ended by itself")
	default:
	}
	require.NoError(t, p.Stop(t.Context()))
	require.NoError(t, p.Err())
	require.NoError(t, p.Stop(t.Context()), "once more")
	require.NoError(t, p.Kill())
}

func TestStopThatTakesTooLong(t *testing.T) {
	p := startChild(t, "deaf")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, p.Stop(ctx), context.DeadlineExceeded)
	<-p.Exited()
	require.Error(t, p.Err())
}

func TestKill(t *testing.T) {
	p := startChild(t, "obedient")
	require.NoError(t, p.Kill())
	var ended *exec.ExitError
	require.ErrorAs(t, p.Err(), &ended)
}

func TestEndByItself(t *testing.T) {
	p := startChild(t, "fail")
	<-p.Exited()
	var ended *exec.ExitError
	require.ErrorAs(t, p.Err(), &ended)
	require.Equal(t, 3, ended.ExitCode())
}

func TestNothingToRun(t *testing.T) {
	_, err := Start(exec.Command(filepath.Join(t.TempDir(), "nothing")), filepath.Join(t.TempDir(), "log"))
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = Start(exec.Command(os.Args[0]), filepath.Join(t.TempDir(), "no", "log"))
	require.ErrorIs(t, err, os.ErrNotExist)
}
