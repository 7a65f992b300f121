//go:build synctests

package proof_test

import (
	"testing"

	"github.com/vicuna-go/vicuna/kafkatest"
)

func TestVirtual(t *testing.T) { proof(t, kafkatest.Virtual) }
