package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/producer"
	"github.com/vicuna-go/vicuna/serde"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

type (
	message = consumer.CommittableMessage[string, string]
	outcome = envelope.Envelope[string, string, envelope.Committable]
)

// member is one of the other processes: a service as it would stand alone.
type member struct{ brokers, group, jobs, results string }

// The environment tells a process that it is a member, and of what.
const (
	envBrokers = "VICUNA_EXAMPLE_BROKERS"
	envGroup   = "VICUNA_EXAMPLE_GROUP"
	envJobs    = "VICUNA_EXAMPLE_JOBS"
	envResults = "VICUNA_EXAMPLE_RESULTS"
)

func asMember() (member, bool) {
	m := member{os.Getenv(envBrokers), os.Getenv(envGroup), os.Getenv(envJobs), os.Getenv(envResults)}
	return m, m.group != ""
}

func (m member) environ() []string {
	return append(os.Environ(), envBrokers+"="+m.brokers, envGroup+"="+m.group, envJobs+"="+m.jobs, envResults+"="+m.results)
}

// run copies until the context ends: then what is in flight is finished, its offsets are committed,
// and the member leaves the group.
func (m member) run(ctx context.Context, out io.Writer) error {
	cs := settings.NewConsumer(serde.String(), serde.String(), settings.Bootstrap(m.brokers), settings.Group(m.group),
		// how soon it learns of others that come and go; by default 3 s
		settings.HeartbeatInterval(500*time.Millisecond))
	ps := settings.NewProducer(serde.String(), serde.String(), settings.Bootstrap(m.brokers))

	has := map[consumer.TopicPartition]bool{}
	c := consumer.New(cs, consumer.Topics(m.jobs), consumer.Events(func(e consumer.Event) {
		for _, p := range e.Partitions {
			if has[p] = true; e.Kind != consumer.Assigned {
				delete(has, p)
			}
		}
		fmt.Fprintf(out, "%s %v, has %d\n", e.Kind, numbers(e.Partitions), len(has))
	}))
	results := stream.Map(c.CommittableSource(), func(j *message) outcome {
		return envelope.Single(*envelope.New(m.results, j.Key, j.Value+" done"), j.Offset)
	})
	return results.To(producer.CommittableSink(ps, settings.NewCommitter())).Run(ctx)
}

func numbers(ps []consumer.TopicPartition) (numbers []int32) {
	for _, p := range ps {
		numbers = append(numbers, p.Partition)
	}
	return numbers
}
