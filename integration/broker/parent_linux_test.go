package broker

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The parent of an embedded broker is killed as nobody can prepare for; the broker has to go with
// it.
func TestNodeDiesWithItsParent(t *testing.T) {
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), parentVariable+"=yes")
	parent.Stderr = os.Stderr
	out, err := parent.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, parent.Start())
	killed := false
	kill := func() {
		if !killed {
			killed = true
			_ = parent.Process.Kill()
			_ = parent.Wait()
		}
	}
	t.Cleanup(kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	var child int
	var addr, dir string
	_, err = fmt.Sscan(line, &child, &addr, &dir)
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	require.NoError(t, awaitBrokers(t.Context(), []string{addr}, embeddedBrokers, nil))
	require.True(t, alive(child))
	kill()
	require.Eventually(t, func() bool { return !alive(child) }, 10*time.Second, 10*time.Millisecond)
}

// alive is false also for a process that has ended and that nobody has waited for yet.
func alive(pid int) bool {
	if err := syscall.Kill(pid, 0); err != nil {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	var id int
	var name, state string
	if _, err := fmt.Sscan(string(stat), &id, &name, &state); err != nil {
		return false
	}
	return state != "Z" && state != "X"
}
