package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

// brokerCommand makes this program a broker and nothing else. It is not for
// users: the program starts itself with it.
const brokerCommand = "serve-broker"

// newFake starts one embedded broker. Where nothing is read it checks and
// acknowledges what it gets and moves its offsets, but stores nothing; so storing
// is not what is measured.
func newFake(reads reading) (*kfake.Cluster, error) {
	opts := []kfake.Opt{kfake.NumBrokers(1)}
	switch reads {
	case nothing:
		opts = append(opts, kfake.BlackholeProduce())
	case repeated:
		opts = append(opts, kfake.BlackholeProduce(), kfake.SyntheticFetch(kfake.SyntheticBatch{
			RecordBytes: repeatedBytes, Compression: standardLoad(kindEmbedded, repeatedBytes).compression,
		}))
	}
	return kfake.NewCluster(opts...)
}

// repeatedBytes is the size of the values in the batch that comes over and over.
const repeatedBytes = 100

// startEmbedded starts a broker in this process.
func startEmbedded(_ context.Context, reads reading) (*broker, error) {
	cluster, err := newFake(reads)
	if err != nil {
		return nil, err
	}
	return &broker{
		kind:  kindEmbedded,
		addrs: cluster.ListenAddrs(),
		shut:  func() error { cluster.Close(); return nil },
	}, nil
}

// serveBroker is the other process: it says where it listens and stays until its
// input ends, which it does when its parent ends, however that happens.
func serveBroker(what string, in io.Reader, out io.Writer) error {
	reads, err := strconv.Atoi(what)
	if err != nil {
		return err
	}
	cluster, err := newFake(reading(reads))
	if err != nil {
		return err
	}
	defer cluster.Close()
	if _, err := fmt.Fprintln(out, strings.Join(cluster.ListenAddrs(), ",")); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, in)
	return err
}

// startChild starts the embedded broker in a process of its own.
func startChild(ctx context.Context, reads reading) (*broker, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, brokerCommand, strconv.Itoa(int(reads)))
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stop := func() error {
		_ = stdin.Close()
		killer := time.AfterFunc(5*time.Second, func() { _ = cmd.Process.Kill() })
		defer killer.Stop()
		if err := cmd.Wait(); err != nil && ctx.Err() == nil {
			return fmt.Errorf("broker process: %w", err)
		}
		return nil
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		return nil, errors.Join(fmt.Errorf("broker process said nothing: %w", err), stop())
	}
	return &broker{
		kind:     kindEmbedded,
		addrs:    strings.Split(strings.TrimSpace(line), ","),
		separate: true,
		shut:     stop,
	}, nil
}
