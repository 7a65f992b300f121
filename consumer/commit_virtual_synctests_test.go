//go:build synctests

package consumer_test

import (
	"testing"
	"testing/synctest"

	"github.com/vicuna-go/vicuna/kafkatest"
)

func onBroker(t *testing.T, fn func(t *testing.T, k *kafkatest.Broker), opts ...kafkatest.Option) {
	t.Helper()
	virtual(t, fn, opts...)
}

func atRest() bool {
	synctest.Wait()
	return true
}
