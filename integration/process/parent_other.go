//go:build !linux

package process

import "os/exec"

// dieWithParent can do nothing here: only Linux has a death signal. The child stays in our process
// group, so an interrupt from the terminal reaches it; after a SIGKILL of the tests it stays and
// has to be ended by hand.
func dieWithParent(*exec.Cmd) {}
