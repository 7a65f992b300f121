//go:build synctests

package consumer_test

import (
	"testing"

	"github.com/vicuna-go/vicuna/kafkatest"
)

func TestRollingRestart(t *testing.T) {
	for name, ordered := range map[string]bool{"ordered": true, "unordered": false} {
		t.Run(name, func(t *testing.T) {
			eachKind(t, virtual, func(t *testing.T, k *kafkatest.Broker, kind groupKind) { rollingRestart(t, k, kind, ordered) })
		})
	}
}
