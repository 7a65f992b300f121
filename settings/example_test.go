package settings_test

import (
	"fmt"
	"time"

	"github.com/vicuna-go/vicuna/serde"
	"github.com/vicuna-go/vicuna/settings"
)

func ExampleNewProducer() {
	ps := settings.NewProducer(serde.String(), serde.Bytes(),
		settings.Bootstrap("kafka-1:9092", "kafka-2:9092"),
		settings.ClientID("billing"),
		settings.Linger(2*time.Millisecond),
	)
	fmt.Println(ps.Err(), ps.ClientID(), ps.Acks())
	// Output: <nil> billing all
}

// All that is wrong is told at once.
func ExampleProducerConfig_Err() {
	ps := settings.NewProducer(serde.String(), serde.Bytes(),
		settings.Bootstrap("kafka-1"),
		settings.Acks(settings.AcksLeader), settings.Idempotence(true),
		settings.Linger(2*time.Minute),
	)
	fmt.Println(ps.Err())
	// Output:
	// settings: Bootstrap (bootstrap.servers) = "kafka-1": missing port in address, host:port is needed
	// settings: Idempotence (enable.idempotence) = true: contradicts acks = 1: idempotence needs AcksAll
	// settings: Linger (linger.ms) = 2m0s: must not be longer than 1m0s
}

// One set of settings, and another that differs in one thing.
func ExampleProducer_With() {
	ps := settings.NewProducer(serde.String(), serde.Bytes(), settings.Bootstrap("kafka-1:9092"))
	prompt := ps.With(settings.Linger(0))
	fmt.Println(ps.Linger(), prompt.Linger())
	// Output: 5ms 0s
}
