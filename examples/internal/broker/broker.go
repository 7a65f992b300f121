// Package broker finds the broker for an example: that of KAFKA_BOOTSTRAP_SERVERS, or else an
// embedded one in this process.
package broker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"github.com/vicuna-go/vicuna/kafkatest/embedded"
	"github.com/vicuna-go/vicuna/producer"
	"github.com/vicuna-go/vicuna/serde"
	"github.com/vicuna-go/vicuna/settings"
)

// Broker is where an example reads and writes, with topics and groups of the example's own.
type Broker struct {
	addrs    string
	suffix   string
	topics   []string
	groups   []string
	embedded *embedded.Broker // nil for a real one
}

// Find finds the broker, asks whether it is there, and creates the topics, with four partitions
// each. On a real broker the example's topics have names of their own, and Close deletes them.
func Find(ctx context.Context, topics ...string) (*Broker, error) {
	b := &Broker{addrs: os.Getenv("KAFKA_BOOTSTRAP_SERVERS")}
	if b.addrs == "" {
		own, err := embedded.Open(embedded.InMemory())
		if err != nil {
			return nil, err
		}
		b.addrs, b.embedded = strings.Join(own.Addrs(), ","), own
	} else {
		b.suffix = "-" + strings.ToLower(rand.Text()[:8])
	}
	err := b.withAdmin(ctx, func(ctx context.Context, admin *kadm.Client) error {
		for _, topic := range topics {
			created, err := admin.CreateTopic(ctx, 4, -1, nil, b.Topic(topic))
			if err := errors.Join(err, created.Err); err != nil {
				return fmt.Errorf("creating topic %s: %w", b.Topic(topic), err)
			}
			b.topics = append(b.topics, b.Topic(topic))
		}
		return nil
	})
	if err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

// Bootstrap is the broker's addresses as a setting.
func (b *Broker) Bootstrap() settings.Option { return settings.Bootstrap(b.addrs) }

func (b *Broker) seeds() []string { return strings.Split(b.addrs, ",") }

// Topic is the name of one of the example's topics.
func (b *Broker) Topic(name string) string { return name + b.suffix }

// Group is the name of one of the example's groups. To be called before the group is used, and by
// one goroutine.
func (b *Broker) Group(name string) string {
	name += b.suffix
	if !slices.Contains(b.groups, name) {
		b.groups = append(b.groups, name)
	}
	return name
}

// Addrs are the broker's addresses, for processes that this one starts.
func (b *Broker) Addrs() string { return b.addrs }

// Close stops the embedded broker, or deletes the groups and topics on a real one.
func (b *Broker) Close() {
	if b.embedded != nil {
		_ = b.embedded.Close()
		return
	}
	_ = b.withAdmin(context.Background(), func(ctx context.Context, admin *kadm.Client) error {
		_, err := admin.DeleteGroups(ctx, b.groups...)
		_, err2 := admin.DeleteTopics(ctx, b.topics...)
		return errors.Join(err, err2)
	})
}

// withAdmin calls f with an administrative client, once a broker has answered.
func (b *Broker) withAdmin(ctx context.Context, f func(context.Context, *kadm.Client) error) error {
	client, err := producer.NewClient(settings.NewProducer(serde.None(), serde.None(), b.Bootstrap()))
	if err != nil {
		return err
	}
	defer func() { _ = client.Close(ctx) }()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := client.Reach(ctx); err != nil {
		return err
	}
	return f(ctx, kadm.NewClient(client.Kgo()))
}
