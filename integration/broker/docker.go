package broker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/modules/kafka"
)

// docker starts one node in a container, where Docker answers.
type docker struct{}

const (
	// imageVariable names the image to start, which has to be one of confluent-local.
	imageVariable = "VICUNA_KAFKA_IMAGE"
	// defaultImage is the one that the documentation of the Kafka module of testcontainers-go uses.
	// It is Kafka 3.5, which has no groups of KIP-848.
	defaultImage = "confluentinc/confluent-local:7.5.0"
)

// dockerImage is the image to start.
func dockerImage() string { return cmp.Or(os.Getenv(imageVariable), defaultImage) }

const dockerAnswer = 10 * time.Second

func (docker) Name() string { return "Docker" }

func (docker) Start(ctx context.Context) (*Broker, error) {
	if err := dockerAnswers(ctx); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAbsent, err)
	}
	c, err := kafka.Run(ctx, dockerImage(), kafka.WithClusterID(clusterID()), testcontainers.WithEnv(dockerEnvironment()))
	remove := func() error {
		if c == nil {
			return nil
		}
		return testcontainers.TerminateContainer(c)
	}
	if err != nil {
		return nil, errors.Join(err, remove())
	}
	addrs, err := c.Brokers(ctx)
	if err == nil {
		err = awaitBrokers(ctx, addrs, 1, nil)
	}
	if err != nil {
		return nil, errors.Join(err, remove())
	}
	return &Broker{Origin: "a container of " + dockerImage(), Addrs: addrs, Tools: toolsIfAny(), container: true, stop: remove}, nil
}

// dockerAnswers asks the daemon something. Without any daemon testcontainers-go panics instead of
// returning an error.
func dockerAnswers(ctx context.Context) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
	}()
	provider, err := testcontainers.ProviderDocker.GetProvider()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, dockerAnswer)
	defer cancel()
	return provider.Health(ctx)
}

// dockerEnvironment is the settings of a node as the image takes them: group.min.session.timeout.ms
// is KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS.
func dockerEnvironment() map[string]string {
	env := map[string]string{"KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false"}
	for _, s := range sessionTimeouts() {
		env["KAFKA_"+strings.ToUpper(strings.ReplaceAll(s[0], ".", "_"))] = s[1]
	}
	return env
}
