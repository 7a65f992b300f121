package broker

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// distribution starts one node of an unpacked Apache Kafka.
type distribution struct{}

func (distribution) Name() string { return "a Kafka distribution" }

func (distribution) Start(ctx context.Context) (*Broker, error) {
	d, err := LocateDistribution(ctx)
	if err != nil {
		return nil, err
	}
	n, err := d.StartNode(ctx)
	if err != nil {
		return nil, err
	}
	return &Broker{Origin: "one node of the Kafka distribution in " + d.Home, Addrs: n.addrs, Node: n, Tools: d, stop: n.close}, nil
}

// StartNode formats and starts one node, broker and controller in one, on free loopback ports with
// its data in a temporary folder. A port that somebody else took in the meantime is no reason to
// fail: it tries three times. The node that it returns answers; Broker.Close, or the node's Stop,
// ends it.
func (d *Distribution) StartNode(ctx context.Context) (*Node, error) {
	var errs []error
	for range 3 {
		n, err := d.startNode(ctx)
		if err == nil {
			return n, nil
		}
		errs = append(errs, err)
		if !errors.Is(err, errExited) {
			break
		}
	}
	return nil, errors.Join(errs...)
}

func (d *Distribution) startNode(ctx context.Context) (_ *Node, err error) {
	ports, err := freePorts(2)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "vicuna-kafka-")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	properties := filepath.Join(dir, "server.properties")
	if err := os.WriteFile(properties, []byte(nodeProperties(dir, ports[0], ports[1])), 0o600); err != nil {
		return nil, err
	}
	format := d.command(ctx, dir, "kafka-storage.sh", "format", "-t", clusterID(), "-c", properties)
	if out, err := format.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("format: %w:\n%s", err, out)
	}
	n := &Node{
		addrs: []string{loopback(ports[0])}, brokers: 1, dir: dir, log: filepath.Join(dir, "log"),
		// The node outlives the context it is started under, so its command has none.
		command: func() *exec.Cmd {
			return d.command(context.Background(), dir, "kafka-server-start.sh", properties)
		},
	}
	if err := n.Start(ctx); err != nil {
		return nil, err
	}
	return n, nil
}

// nodeProperties is the whole configuration of a single node; the one in the distribution is not
// read, so any distribution starts the same.
func nodeProperties(dir string, port, controller int) string {
	settings := [][2]string{
		{"process.roles", "broker,controller"},
		{"node.id", "1"},
		{"controller.quorum.voters", "1@" + loopback(controller)},
		{"controller.listener.names", "CONTROLLER"},
		{"listeners", "PLAINTEXT://" + loopback(port) + ",CONTROLLER://" + loopback(controller)},
		{"advertised.listeners", "PLAINTEXT://" + loopback(port)},
		{"listener.security.protocol.map", "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT"},
		{"inter.broker.listener.name", "PLAINTEXT"},
		{"log.dirs", filepath.Join(dir, "data")},
		// The internal topics have 50 partitions each by default, which take seconds to create on a
		// small machine.
		{"offsets.topic.replication.factor", "1"},
		{"offsets.topic.num.partitions", "8"},
		{"transaction.state.log.replication.factor", "1"},
		{"transaction.state.log.min.isr", "1"},
		{"transaction.state.log.num.partitions", "8"},
		{"share.coordinator.state.topic.replication.factor", "1"},
		{"share.coordinator.state.topic.min.isr", "1"},
		{"share.coordinator.state.topic.num.partitions", "8"},
		{"group.initial.rebalance.delay.ms", "0"},
		// A node that was killed is let in again only when its former registration has expired: 9 s
		// by default.
		{"broker.session.timeout.ms", "2000"},
		{"broker.heartbeat.interval.ms", "500"},
		{"auto.create.topics.enable", "false"},
	}
	var b strings.Builder
	for _, s := range append(settings, sessionTimeouts()...) {
		fmt.Fprintf(&b, "%s=%s\n", s[0], s[1])
	}
	return b.String()
}

// clusterID makes what `kafka-storage.sh random-uuid` makes, without a second and a half of Java.
func clusterID() string {
	for {
		var id [16]byte
		rand.Read(id[:])
		// it would be read as an option
		if s := base64.RawURLEncoding.EncodeToString(id[:]); s[0] != '-' {
			return s
		}
	}
}
