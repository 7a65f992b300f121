package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/vicuna-go/vicuna/producer"
)

// broker is where the records go.
type broker struct {
	name  string
	addrs []string
	close func()
}

// findBroker takes the broker at the addresses, or, without any, starts the embedded one. That keeps its records in files, so that a large input does not fill
// the memory.
func findBroker(bootstrap string) (*broker, error) {
	if bootstrap != "" {
		b := &broker{name: bootstrap, close: func() {}}
		for addr := range strings.SplitSeq(bootstrap, ",") {
			b.addrs = append(b.addrs, strings.TrimSpace(addr)) // settings say what is wrong with one
		}
		return b, nil
	}
	dir, err := os.MkdirTemp("", "vicuna-demo-")
	if err != nil {
		return nil, err
	}
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.DataDir(dir))
	if err != nil {
		os.RemoveAll(dir)
		return nil, fmt.Errorf("the embedded broker: %w", err)
	}
	addrs := cluster.ListenAddrs()
	return &broker{
		name: "embedded, at " + strings.Join(addrs, ","), addrs: addrs,
		close: func() {
			cluster.Close()
			os.RemoveAll(dir)
		},
	}, nil
}

const partitions = 4

// topics are those of this run.
type topics struct{ plain, flexi string }

func createTopics(ctx context.Context, client *producer.Client) (topics, error) {
	run := "vicuna-demo-" + time.Now().UTC().Format("20060102-150405-") + strings.ToLower(rand.Text()[:6])
	t := topics{plain: run + "-plain", flexi: run + "-flexi"}
	ctx, cancel := context.WithTimeout(ctx, adminFor)
	defer cancel()
	created, err := kadm.NewClient(client.Kgo()).CreateTopics(ctx, partitions, -1, nil, t.plain, t.flexi)
	if err == nil {
		err = created.Error()
	}
	if err != nil {
		return t, fmt.Errorf("creating topics: %w", err)
	}
	return t, nil
}

// remove deletes the topics, whatever has become of the run.
func (t topics) remove(ctx context.Context, out *screen, client *producer.Client) {
	ctx, cancel := context.WithTimeout(ctx, adminFor)
	defer cancel()
	deleted, err := kadm.NewClient(client.Kgo()).DeleteTopics(ctx, t.plain, t.flexi)
	if err == nil {
		err = deleted.Error()
	}
	if err != nil {
		out.say("topics %s and %s were not deleted: %v", t.plain, t.flexi, err)
	}
}
