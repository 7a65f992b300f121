package broker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// stand is a probe that answers as told and counts how often it was asked.
type stand struct {
	name  string
	err   error
	asked int
}

func (s *stand) Name() string { return s.name }

func (s *stand) Start(context.Context) (*Broker, error) {
	s.asked++
	if s.err != nil {
		return nil, s.err
	}
	return &Broker{Origin: s.name}, nil
}

func TestFindTakesTheFirstThatIsThere(t *testing.T) {
	absent := fmt.Errorf("%w: nothing is set", ErrAbsent)
	first, second, third := &stand{name: "first", err: absent}, &stand{name: "second"}, &stand{name: "third"}
	var said strings.Builder
	b, err := Find(t.Context(), &said, first, second, third)
	require.NoError(t, err)
	require.Equal(t, "second", b.Origin)
	require.Equal(t, []int{1, 1, 0}, []int{first.asked, second.asked, third.asked})
	require.Contains(t, said.String(), "first: not here: nothing is set", "why the first was not taken")
	require.Contains(t, said.String(), "taking second", "what was taken")
}

func TestFindStopsAtWhatIsThereAndBroken(t *testing.T) {
	broken := errors.New("it does not answer")
	first, second := &stand{name: "first", err: broken}, &stand{name: "second"}
	_, err := Find(t.Context(), &strings.Builder{}, first, second)
	require.ErrorIs(t, err, broken)
	require.ErrorContains(t, err, "first")
	require.Zero(t, second.asked, "a broken broker was passed over in silence")
}

func TestFindWithNothingLeft(t *testing.T) {
	_, err := Find(t.Context(), &strings.Builder{}, &stand{name: "only", err: ErrAbsent})
	require.ErrorIs(t, err, ErrAbsent)
}

// Who names one place gets that one, or an error: never another broker.
func TestChoice(t *testing.T) {
	all, err := Choose("")
	require.NoError(t, err)
	require.Equal(t, Probes(), all)
	for choice, probe := range map[string]Probe{
		"environment": environment{}, "distribution": distribution{}, "docker": docker{}, "embedded": embedded{},
	} {
		only, err := Choose(choice)
		require.NoError(t, err)
		require.Equal(t, []Probe{probe}, only)
	}
	_, err = Choose("podman")
	require.ErrorContains(t, err, "VICUNA_BROKER=podman: it is one of distribution, docker, embedded, environment")

	t.Setenv(bootstrapVariable, "")
	only, err := Choose("environment")
	require.NoError(t, err)
	_, err = Find(t.Context(), &strings.Builder{}, only...)
	require.ErrorIs(t, err, ErrAbsent)
	require.ErrorContains(t, err, "KAFKA_BOOTSTRAP_SERVERS: not here: it is not set", "the reason is in the error")
}

func TestDockerImage(t *testing.T) {
	t.Setenv(imageVariable, "")
	require.Equal(t, defaultImage, dockerImage())
	t.Setenv(imageVariable, "confluentinc/confluent-local:7.9.0")
	require.Equal(t, "confluentinc/confluent-local:7.9.0", dockerImage())
}

func TestProbesComeInTheDocumentedOrder(t *testing.T) {
	var names []string
	for _, p := range Probes() {
		names = append(names, p.Name())
	}
	require.Equal(t, []string{"KAFKA_BOOTSTRAP_SERVERS", "a Kafka distribution", "Docker", "the embedded broker"}, names)
}

func TestEnvironmentUnset(t *testing.T) {
	t.Setenv(bootstrapVariable, " , ")
	_, err := environment{}.Start(t.Context())
	require.ErrorIs(t, err, ErrAbsent)
}

func TestEnvironmentThatDoesNotAnswerIsAnError(t *testing.T) {
	ports, err := freePorts(1)
	require.NoError(t, err)
	t.Setenv(bootstrapVariable, loopback(ports[0]))
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("waited long enough"))
	_, err = environment{}.Start(ctx)
	require.ErrorContains(t, err, loopback(ports[0]), "the error does not name the address")
	require.ErrorContains(t, err, "waited long enough")
	require.NotErrorIs(t, err, ErrAbsent)
}

func TestEnvironmentTakesARunningBroker(t *testing.T) {
	n, err := startEmbedded(t.Context())
	require.NoError(t, err)
	defer func() { require.NoError(t, n.close()) }()
	t.Setenv(bootstrapVariable, strings.Join(n.addrs, ", "))
	b, err := environment{}.Start(t.Context())
	require.NoError(t, err)
	require.Equal(t, n.addrs, b.Addrs)
	require.NoError(t, b.Close())
	require.NotZero(t, n.Pid(), "a broker that is not ours was stopped")
	require.NoError(t, awaitBrokers(t.Context(), n.addrs, embeddedBrokers, nil))
}

func TestDockerAbsentIsNotAPanic(t *testing.T) {
	if dockerAnswers(t.Context()) == nil {
		t.Skip("Docker answers here")
	}
	_, err := docker{}.Start(t.Context())
	require.ErrorIs(t, err, ErrAbsent)
}

func TestDockerEnvironmentSpellsSettingsAsTheImageDoes(t *testing.T) {
	require.Equal(t, "1000", dockerEnvironment()["KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS"])
}

func TestTopicNames(t *testing.T) {
	name := topicName("TestX/with spaces & signs")
	require.Regexp(t, `^TestX-with-spaces---signs-[0-9a-f]{8}$`, name)
	require.NotEqual(t, name, topicName("TestX/with spaces & signs"))
	require.Less(t, len(topicName(strings.Repeat("x", 500))), 250)
}
