//go:build !synctests

package consumer_test

import (
	"testing"

	"github.com/vicuna-go/vicuna/kafkatest"
)

func rollTCP(t *testing.T, fn func(t *testing.T, k *kafkatest.Broker), opts ...kafkatest.Option) {
	t.Helper()
	fn(t, kafkatest.Start(t, opts...))
}

func TestRollingRestart(t *testing.T) {
	eachKind(t, rollTCP, func(t *testing.T, k *kafkatest.Broker, kind groupKind) { rollingRestart(t, k, kind, true) })
}
