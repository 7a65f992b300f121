//go:build !unix

package main

import (
	"errors"
	"os"
	"os/exec"
)

// mapShared has no counterpart here. Only P13 needs it, which needs a SIGKILL too.
func mapShared(*os.File, int) ([]byte, error) { return nil, errors.ErrUnsupported }

func unmap([]byte) error { return nil }

// ownGroup does nothing: there is no group of the terminal to be taken out of.
func ownGroup(*exec.Cmd) {}
