//go:build !synctests

package proof_test

import (
	"testing"

	"github.com/vicuna-go/vicuna/kafkatest"
)

func onTCP(t *testing.T, fn func(t *testing.T, k *kafkatest.Broker), opts ...kafkatest.Option) {
	t.Helper()
	fn(t, kafkatest.Start(t, opts...))
}

func TestUses(t *testing.T) { all(t, onTCP, uses) }
