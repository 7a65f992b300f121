package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/vicuna-go/vicuna/kafkatest/embedded"
	"github.com/vicuna-go/vicuna/producer"
)

// broker is where the topics are.
type broker struct {
	name  string
	addrs []string
	close func()
}

// findBroker takes the broker at the addresses, or, without any, starts the embedded one. That
// keeps its records in files, so that a large input does not fill the memory.
func findBroker(bootstrap string) (*broker, error) {
	if bootstrap != "" {
		b := &broker{name: bootstrap, close: func() {}}
		for addr := range strings.SplitSeq(bootstrap, ",") {
			// settings say what is wrong with one
			b.addrs = append(b.addrs, strings.TrimSpace(addr))
		}
		return b, nil
	}
	b, err := embedded.Open()
	if err != nil {
		return nil, err
	}
	return &broker{name: "embedded, at " + strings.Join(b.Addrs(), ","), addrs: b.Addrs(), close: func() { _ = b.Close() }}, nil
}

const partitions = 4

// names are those of this run's topics and of its group.
type names struct{ orders, invoices, group string }

// create makes the two topics. The group comes into being with its first member.
func create(ctx context.Context, client *producer.Client) (names, error) {
	run := "vicuna-demo-" + time.Now().UTC().Format("20060102-150405-") + strings.ToLower(rand.Text()[:6])
	n := names{orders: run + "-orders", invoices: run + "-invoices", group: run}
	ctx, cancel := context.WithTimeout(ctx, adminFor)
	defer cancel()
	created, err := kadm.NewClient(client.Kgo()).CreateTopics(ctx, partitions, -1, nil, n.orders, n.invoices)
	if err == nil {
		err = created.Error()
	}
	if err != nil {
		return n, fmt.Errorf("creating topics: %w", err)
	}
	return n, nil
}

// remove deletes the group and the topics, whatever has become of the run.
func (n names) remove(ctx context.Context, out *screen, client *producer.Client) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), adminFor)
	defer cancel()
	admin := kadm.NewClient(client.Kgo())
	// Before the topics: with them the offsets would go, and a group of nothing is no longer there.
	groups, err := admin.DeleteGroups(ctx, n.group)
	if err == nil {
		err = groups.Error()
	}
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) { // nobody has joined
		out.say("group %s was not deleted: %v", n.group, err)
	}
	deleted, err := admin.DeleteTopics(ctx, n.orders, n.invoices)
	if err == nil {
		err = deleted.Error()
	}
	if err != nil {
		out.say("topics %s and %s were not deleted: %v", n.orders, n.invoices, err)
	}
}
