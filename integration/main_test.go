package integration

import (
	"os"
	"testing"

	"github.com/vicuna-go/vicuna/integration/broker"
	"github.com/vicuna-go/vicuna/integration/worker"
)

// kafka is the broker that every test of this package runs on.
var kafka *broker.Broker

func TestMain(m *testing.M) {
	worker.Serve()
	os.Exit(broker.Main(m, func(b *broker.Broker) { kafka = b }))
}
