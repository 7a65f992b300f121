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

	admin  *kadm.Client
	next   int // number of the next topic or group
	filled map[filling]source
	shut   func() error
}

// brokers starts what is asked for, once, and stops it at the end.
type brokers struct {
	log      io.Writer
	quick    bool                // no time for warming up
	real     *broker             // is there for everything
	embedded map[station]*broker // if there is no real one
}

// A station is one of the embedded brokers.
type station struct {
	reads reading
	apart bool
}

// kind says what kind of broker the environment asks for.
func (bs *brokers) kind() string {
	if os.Getenv("KAFKA_BOOTSTRAP_SERVERS") != "" || os.Getenv("KAFKA_HOME") != "" {
		return kindKafka
	}
	return kindEmbedded
}

// throughput returns the broker to measure rates on.
func (bs *brokers) throughput(ctx context.Context, reads reading) (*broker, error) {
	if bs.kind() == kindEmbedded {
		return bs.station(ctx, station{reads: reads})
	}
	if bs.real != nil {
		return bs.real, nil
	}
	b, how, err := start(ctx)
	if err != nil {
		return nil, err
	}
	if err := b.connect(); err != nil {
		return nil, errors.Join(err, b.shut())
	}
	fmt.Fprintf(bs.log, "broker: %s, %s\n", how, strings.Join(b.addrs, ","))
	bs.real = b
	if b.cold && !bs.quick {
		fmt.Fprintln(bs.log, "broker: warming up")
		return b, b.warmUp(ctx)
	}
	return b, nil
}

// apart returns a broker that is not in this process.
func (bs *brokers) apart(ctx context.Context, reads reading) (*broker, error) {
	if bs.kind() == kindKafka {
		return bs.throughput(ctx, reads)
	}
	return bs.station(ctx, station{reads: reads, apart: true})
}

func (bs *brokers) station(ctx context.Context, s station) (*broker, error) {
	if b := bs.embedded[s]; b != nil {
		return b, nil
	}
	open := startEmbedded
	if s.apart {
		open = startChild
	}
	b, err := open(ctx, s.reads)
	if err != nil {
		return nil, err
	}
	if err := b.connect(); err != nil {
		return nil, errors.Join(err, b.shut())
	}
	if bs.embedded == nil {
		bs.embedded = map[station]*broker{}
	}
	bs.embedded[s] = b
	fmt.Fprintf(bs.log, "broker: embedded, %s\n", strings.Join(b.addrs, ","))
	return b, nil
}

// settle gives back what one case has stored: in this process it would be live
// memory for the next one.
func (bs *brokers) settle(ctx context.Context) error {
	var err error
	for s, b := range bs.embedded {
		if s.reads != nothing {
			delete(bs.embedded, s)
			err = errors.Join(err, b.close())
		}
	}
	if bs.real != nil {
		err = errors.Join(err, bs.real.empty(ctx))
	}
	return err
}

func (bs *brokers) close() error {
	var err error
	for _, b := range bs.embedded {
		err = errors.Join(err, b.close())
	}
	if bs.real != nil {
		err = errors.Join(err, bs.real.close())
	}
	bs.real, bs.embedded = nil, nil
	return err
}

func (b *broker) close() error {
	b.admin.Close()
	return b.shut()
}

// warmUp produces for a while, so that a virtual machine has compiled what it is
// going to need: in its first seconds a Kafka node gives a third of its rate.
func (b *broker) warmUp(ctx context.Context) error {
	for end := time.Now().Add(12 * time.Second); time.Now().Before(end); {
		t, err := b.trial(ctx, &benchCase{load: func(kind string) load { return standardLoad(kind, 100) }}, 500_000)
		if err != nil {
			return err
		}
		if err := produceLoop(ctx, t); err != nil {
			return err
		}
		t.source = t.topic
		if err := pollLoop(ctx, t); err != nil {
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
	return nil, "", errors.New("no Kafka is named")
}

func (b *broker) connect() error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.addrs...), kgo.MetadataMinAge(minMetadataAge))
	if err != nil {
		return err
	}
	b.admin = kadm.NewClient(cl)
	return nil
}

// trial makes a trial of n records with what it reads and where it writes.
func (b *broker) trial(ctx context.Context, c *benchCase, n int) (t *trial, err error) {
	t = &trial{n: n, load: c.load(b.kind), kind: b.kind, addrs: b.addrs, written: n}
	if !c.readOnly {
		if t.topic, err = b.freshTopic(ctx, t.load.partitions); err != nil {
			return nil, err
		}
	}
	switch c.reads {
	case nothing:
		t.input = numbers(n)
		return t, nil
	case stored:
		var from source
		from, err = b.filledTopic(ctx, t.load, n)
		t.source, t.ends = from.topic, from.ends
	default:
		t.source, err = b.freshTopic(ctx, t.load.partitions)
	}
	t.group = b.name("group")
	return t, err
}

// name makes one that nobody has used.
func (b *broker) name(of string) string {
	b.next++
	return fmt.Sprintf("bench-%s-%d-%d", of, os.Getpid(), b.next)
}
