//go:build !synctests

package kafkatest_test

import (
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/kafkatest"
)

// TestVirtualSaysHowToRunIt runs itself in a process of its own, where it may
// fail.
func TestVirtualSaysHowToRunIt(t *testing.T) {
	const inner = "KAFKATEST_INNER"
	if os.Getenv(inner) != "" {
		kafkatest.Virtual(t, func(*testing.T, *kafkatest.Broker) { os.Exit(0) })
		return
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestVirtualSaysHowToRunIt$")
	cmd.Env = append(os.Environ(), inner+"=1")
	out, err := cmd.CombinedOutput()
	require.Error(t, err, "it must fail")
	require.Contains(t, string(out), "go test -tags synctests -run '^TestVirtualSaysHowToRunIt$' .")
}
