package broker

import (
	"context"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	ServeEmbedded()
	playParent()
	goleak.VerifyTestMain(m)
}

// parentVariable makes this binary the parent of an embedded broker, to be killed by the test of
// what becomes of the child.
const parentVariable = "VICUNA_INTEGRATION_PARENT"

func playParent() {
	if os.Getenv(parentVariable) == "" {
		return
	}
	os.Unsetenv(parentVariable)
	n, err := startEmbedded(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(n.Pid(), n.addrs[0], n.dir)
	select {} // until it is killed
}
