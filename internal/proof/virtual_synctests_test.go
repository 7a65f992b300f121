//go:build synctests

package proof_test

import (
	"testing"

	"github.com/vicuna-go/vicuna/kafkatest"
)

func TestUses(t *testing.T) { all(t, kafkatest.Virtual, uses) }
