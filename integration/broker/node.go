package broker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"github.com/vicuna-go/vicuna/integration/process"
)

const (
	upTimeout   = 60 * time.Second // from the start of a node to its first answer; 2.5 s is usual
	downTimeout = 20 * time.Second // from SIGTERM to the end, before SIGKILL
)

// ErrRunning is given for a start of a node that runs.
var ErrRunning = errors.New("the node runs already")

// Node is a broker process started here. It may be stopped or killed and started again on the same
// addresses and the same data. It is not for concurrent use.
type Node struct {
	addrs   []string
	brokers int    // how many of them its metadata names when it is up
	dir     string // everything it writes
	log     string
	command func() *exec.Cmd // a fresh one for every start

	running *process.Process
}

// Start starts the node and waits until it answers.
func (n *Node) Start(ctx context.Context) error {
	if n.running != nil {
		return ErrRunning
	}
	p, err := process.Start(n.command(), n.log)
	if err != nil {
		return err
	}
	n.running = p
	ctx, cancel := context.WithTimeout(ctx, upTimeout)
	defer cancel()
	if err := awaitBrokers(ctx, n.addrs, n.brokers, p.Exited()); err != nil {
		killed := n.Kill()
		return errors.Join(fmt.Errorf("the node did not come up: %w; the end of its log:\n%s", err, n.logTail()), killed)
	}
	return nil
}

// Stop ends the node cleanly (SIGTERM), by force (SIGKILL) where that takes longer than 20 s, which
// is an error. A node that is down is left so.
func (n *Node) Stop() error {
	if n.running == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), downTimeout)
	defer cancel()
	p := n.running
	n.running = nil
	return p.Stop(ctx)
}

// Kill crashes the node (SIGKILL) and waits for its end. A node that is down is left so.
func (n *Node) Kill() error {
	if n.running == nil {
		return nil
	}
	p := n.running
	n.running = nil
	return p.Kill()
}

// Pid is the process id of the node, 0 while it is down.
func (n *Node) Pid() int {
	if n.running == nil {
		return 0
	}
	return n.running.Pid()
}

// close stops the node and removes its data.
func (n *Node) close() error {
	return errors.Join(n.Stop(), os.RemoveAll(n.dir))
}

func (n *Node) logTail() []byte {
	text, err := os.ReadFile(n.log)
	if err != nil {
		return []byte(err.Error())
	}
	const enough = 40
	lines := bytes.SplitAfter(text, []byte("\n"))
	return bytes.Join(lines[max(0, len(lines)-enough):], nil)
}
