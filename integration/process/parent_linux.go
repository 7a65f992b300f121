package process

import (
	"os/exec"
	"syscall"
)

// dieWithParent makes the kernel kill the child when this process dies, however it dies (a panic, a
// test time-out, SIGKILL).
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
