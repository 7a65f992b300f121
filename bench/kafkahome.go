package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// startKafka formats and starts one node of the distribution in home, on free
// loopback ports and in a temporary folder, and returns when it answers. TMPDIR
// says where the folder is: a slow disk is better kept out of a comparison.
func startKafka(ctx context.Context, home string) (_ *broker, err error) {
	home, err = filepath.Abs(home)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "vicuna-bench-kafka-")
	if err != nil {
		return nil, err
	}
	n := &node{home: home, dir: dir}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.stop())
		}
	}()
	if err := n.configure(); err != nil {
		return nil, err
	}
	if err := n.format(ctx); err != nil {
		return nil, err
	}
	if err := n.run(); err != nil {
		return nil, err
	}
	if err := n.ready(ctx); err != nil {
		return nil, err
	}
	return &broker{kind: kindKafka, addrs: []string{n.addr}, separate: true, cold: true, shut: n.stop}, nil
}

// A node is one Kafka server that belongs to this program.
type node struct {
	home, dir, addr string
	cmd             *exec.Cmd
	ended           chan struct{} // closed when the process has ended
}

func (n *node) properties() string { return filepath.Join(n.dir, "server.properties") }
func (n *node) logFile() string    { return filepath.Join(n.dir, "server.log") }

// configure writes the distribution's own settings with what must differ.
func (n *node) configure() error {
	base, err := os.ReadFile(filepath.Join(n.home, "config", "server.properties"))
	if err != nil {
		return fmt.Errorf("KAFKA_HOME: %w", err)
	}
	ports, err := freePorts(2)
	if err != nil {
		return err
	}
	n.addr = fmt.Sprintf("127.0.0.1:%d", ports[0])
	own := []string{
		"", // the file may end without a line's end
		fmt.Sprintf("listeners=PLAINTEXT://%s,CONTROLLER://127.0.0.1:%d", n.addr, ports[1]),
		"advertised.listeners=PLAINTEXT://" + n.addr,
		fmt.Sprintf("controller.quorum.voters=1@127.0.0.1:%d", ports[1]),
		"log.dirs=" + filepath.Join(n.dir, "data"),
		// Each repetition has a topic of its own: give the disk back at once.
		"log.segment.delete.delay.ms=1000",
		// A group of one has nobody to wait for.
		"group.initial.rebalance.delay.ms=0",
		"offsets.topic.num.partitions=8",
	}
	// The last of several lines for one key counts.
	text := string(base) + strings.Join(own, "\n") + "\n"
	return os.WriteFile(n.properties(), []byte(text), 0o600)
}

func (n *node) format(ctx context.Context) error {
	storage := filepath.Join(n.home, "bin", "kafka-storage.sh")
	id, err := exec.CommandContext(ctx, storage, "random-uuid").Output()
	if err != nil {
		return fmt.Errorf("kafka-storage.sh random-uuid: %w", err)
	}
	out, err := exec.CommandContext(ctx, storage, "format", "-t", strings.TrimSpace(string(id)), "-c", n.properties()).CombinedOutput()
	if err != nil {
		return fmt.Errorf("kafka-storage.sh format: %w\n%s", err, out)
	}
	return nil
}

func (n *node) run() error {
	log, err := os.Create(n.logFile())
	if err != nil {
		return err
	}
	defer log.Close() // the process has a descriptor of its own
	n.cmd = exec.Command(filepath.Join(n.home, "bin", "kafka-server-start.sh"), n.properties())
	n.cmd.Dir = n.dir
	n.cmd.Stdout, n.cmd.Stderr = log, log
	ownGroup(n.cmd)
	if err := n.cmd.Start(); err != nil {
		n.cmd = nil
		return err
	}
	n.ended = make(chan struct{})
	go func() {
		_ = n.cmd.Wait()
		close(n.ended)
	}()
	return nil
}

// ready waits for the first answer.
func (n *node) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	cl, err := kgo.NewClient(kgo.SeedBrokers(n.addr))
	if err != nil {
		return err
	}
	defer cl.Close()
	for {
		if err = cl.Ping(ctx); err == nil {
			return nil
		}
		select {
		case <-n.ended:
			return fmt.Errorf("the Kafka node ended while it started:\n%s", n.tail())
		case <-ctx.Done():
			return fmt.Errorf("the Kafka node does not answer: %w\n%s", err, n.tail())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (n *node) tail() string {
	text, _ := os.ReadFile(n.logFile()) // what cannot be read is not shown
	return string(text[max(0, len(text)-2000):])
}

// stop ends the node by its own process id, kindly at first, and removes its data.
func (n *node) stop() error {
	if n.cmd != nil {
		_ = n.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-n.ended:
		case <-time.After(20 * time.Second):
			_ = n.cmd.Process.Kill()
			<-n.ended
		}
	}
	return os.RemoveAll(n.dir)
}

// freePorts asks for ports and gives them back. Somebody else may take one
// before the node does; then its start fails and says so.
func freePorts(n int) ([]int, error) {
	var ports []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}
