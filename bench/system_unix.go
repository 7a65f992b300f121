//go:build unix

package main

import (
	"os"
	"os/exec"
	"syscall"
)

// mapShared maps the beginning of a file into memory that all processes share which map it.
func mapShared(file *os.File, size int) ([]byte, error) {
	return syscall.Mmap(int(file.Fd()), 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
}

// unmap ends what mapShared began.
func unmap(mapped []byte) error { return syscall.Munmap(mapped) }

// ownGroup takes a command out of the terminal's group: Ctrl-C is for us, and we stop it.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
