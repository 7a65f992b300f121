package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	kindEmbedded = "embedded"
	kindKafka    = "kafka"
)

// A broker is where a case's records go.
type broker struct {
	kind     string
	addrs    []string
	separate bool // runs in a process of its own
	cold     bool // was started a moment ago, and its code is not compiled yet

	admin *kadm.Client
	next  int // number of the next topic
	shut  func() error
}

// brokers starts what is asked for, once, and stops it at the end.
type brokers struct {
	log     io.Writer
	quick   bool // no time for warming up
	main    *broker
	foreign *broker
}

// throughput returns the broker to measure rates on.
func (bs *brokers) throughput(ctx context.Context) (*broker, error) {
	if bs.main != nil {
		return bs.main, nil
	}
	b, how, err := start(ctx)
	if err != nil {
		return nil, err
	}
	if err := b.connect(); err != nil {
		return nil, errors.Join(err, b.shut())
	}
	fmt.Fprintf(bs.log, "broker: %s, %s\n", how, strings.Join(b.addrs, ","))
	bs.main = b
	if b.cold && !bs.quick {
		fmt.Fprintln(bs.log, "broker: warming up")
		return b, b.warmUp(ctx)
	}
	return b, nil
}

// warmUp produces for a while, so that a virtual machine has compiled what it is
// going to need: in its first seconds a Kafka node gives a third of its rate.
func (b *broker) warmUp(ctx context.Context) error {
	for end := time.Now().Add(12 * time.Second); time.Now().Before(end); {
		t, err := b.trial(ctx, standardLoad(b.kind, 100), 500_000)
		if err != nil {
			return err
		}
		if err := produceLoop(ctx, t); err != nil {
			return err
		}
		if err := b.finish(ctx, t.topic, t.n); err != nil {
			return err
		}
	}
	return nil
}

func start(ctx context.Context) (b *broker, how string, err error) {
	if addrs := os.Getenv("KAFKA_BOOTSTRAP_SERVERS"); addrs != "" {
		b := &broker{kind: kindKafka, addrs: strings.Split(addrs, ","), separate: true, shut: func() error { return nil }}
		return b, "from KAFKA_BOOTSTRAP_SERVERS", nil
	}
	if home := os.Getenv("KAFKA_HOME"); home != "" {
		b, err := startKafka(ctx, home)
		return b, "a Kafka node of our own, from KAFKA_HOME", err
	}
	b, err = startEmbedded()
	return b, "embedded, in this process", err
}

// apart returns a broker that is not in this process.
func (bs *brokers) apart(ctx context.Context) (*broker, error) {
	if bs.main != nil && bs.main.separate {
		return bs.main, nil
	}
	if bs.foreign != nil {
		return bs.foreign, nil
	}
	b, err := startChild(ctx)
	if err != nil {
		return nil, err
	}
	if err := b.connect(); err != nil {
		return nil, errors.Join(err, b.shut())
	}
	bs.foreign = b
	return b, nil
}

func (bs *brokers) close() error {
	var err error
	for _, b := range []*broker{bs.main, bs.foreign} {
		if b != nil {
			b.admin.Close()
			err = errors.Join(err, b.shut())
		}
	}
	bs.main, bs.foreign = nil, nil
	return err
}

func (b *broker) connect() error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.addrs...), kgo.MetadataMinAge(minMetadataAge))
	if err != nil {
		return err
	}
	b.admin = kadm.NewClient(cl)
	return nil
}

// trial makes a trial of n records with a topic of its own.
func (b *broker) trial(ctx context.Context, l load, n int) (*trial, error) {
	topic, err := b.freshTopic(ctx, l.partitions)
	return &trial{n: n, load: l, addrs: b.addrs, topic: topic, input: numbers(n)}, err
}

// freshTopic makes a topic and returns when all its partitions have a leader:
// else a client may have to wait for its next look at the metadata.
func (b *broker) freshTopic(ctx context.Context, partitions int32) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	b.next++
	topic := fmt.Sprintf("bench-%d-%d", os.Getpid(), b.next)
	if _, err := b.admin.CreateTopic(ctx, partitions, 1, nil, topic); err != nil {
		return "", fmt.Errorf("create %s: %w", topic, err)
	}
	for {
		topics, err := b.admin.ListTopics(ctx, topic)
		if err == nil && led(topics[topic], partitions) {
			return topic, nil
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("%s has no leaders: %w", topic, errors.Join(ctx.Err(), err))
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func led(topic kadm.TopicDetail, partitions int32) bool {
	if topic.Err != nil || len(topic.Partitions) < int(partitions) {
		return false
	}
	for _, p := range topic.Partitions {
		if p.Err != nil || p.Leader < 0 {
			return false
		}
	}
	return true
}

// finish checks that the topic holds exactly n records and removes it.
func (b *broker) finish(ctx context.Context, topic string, n int) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	ends, err := b.admin.ListEndOffsets(ctx, topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return fmt.Errorf("end offsets of %s: %w", topic, err)
	}
	var sum int64
	ends.Each(func(o kadm.ListedOffset) { sum += o.Offset })
	if sum != int64(n) {
		return fmt.Errorf("%s holds %d records, %d were produced", topic, sum, n)
	}
	if _, err := b.admin.DeleteTopic(ctx, topic); err != nil {
		return fmt.Errorf("delete %s: %w", topic, err)
	}
	return nil
}
