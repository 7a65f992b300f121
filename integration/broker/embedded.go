package broker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

// embedded starts the embedded broker in a process of its own: the test binary again, which becomes
// the broker in [ServeEmbedded]. A process of its own can be killed, and shares no scheduler, heap
// or goroutine count with the tests.
type embedded struct{}

const embeddedBrokers = 3

// embeddedVariable tells a process that it is the broker, and where.
const embeddedVariable = "VICUNA_INTEGRATION_EMBEDDED"

type embeddedSettings struct {
	Ports []int
	Data  string
}

func (embedded) Name() string { return "the embedded broker" }

func (embedded) Start(ctx context.Context) (*Broker, error) {
	n, err := startEmbedded(ctx)
	if err != nil {
		return nil, err
	}
	return &Broker{Origin: "the embedded broker in a process of its own", Addrs: n.addrs, Node: n, Tools: toolsIfAny(), stop: n.close}, nil
}

func startEmbedded(ctx context.Context) (_ *Node, err error) {
	binary, err := os.Executable()
	if err != nil {
		return nil, err
	}
	ports, err := freePorts(embeddedBrokers)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "vicuna-embedded-")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	settings, err := json.Marshal(embeddedSettings{Ports: ports, Data: filepath.Join(dir, "data")})
	if err != nil {
		return nil, err
	}
	n := &Node{brokers: embeddedBrokers, dir: dir, log: filepath.Join(dir, "log"), command: func() *exec.Cmd {
		cmd := exec.Command(binary)
		cmd.Env = append(os.Environ(), embeddedVariable+"="+string(settings))
		return cmd
	}}
	for _, port := range ports {
		n.addrs = append(n.addrs, loopback(port))
	}
	if err := n.Start(ctx); err != nil {
		return nil, err
	}
	return n, nil
}

// ServeEmbedded turns a process that was started to be the embedded broker into it, and never
// returns there. In any other process it does nothing. [Main] calls it; a TestMain that does not
// use Main calls it first of all.
func ServeEmbedded() {
	text, ok := os.LookupEnv(embeddedVariable)
	if !ok {
		return
	}
	if err := serve(text); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func serve(text string) error {
	var settings embeddedSettings
	if err := json.Unmarshal([]byte(text), &settings); err != nil {
		return err
	}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, os.Interrupt, syscall.SIGTERM)
	cluster, err := kfake.NewCluster(
		kfake.NumBrokers(len(settings.Ports)),
		kfake.Ports(settings.Ports...),
		kfake.DataDir(settings.Data),
		kfake.GroupMinSessionTimeout(time.Second),
		kfake.BrokerConfigs(map[string]string{
			"group.consumer.session.timeout.ms":    "3000",
			"group.consumer.heartbeat.interval.ms": "500",
			"group.share.session.timeout.ms":       "3000",
		}),
	)
	if err != nil {
		return err
	}
	<-ended
	cluster.Close()
	return nil
}
