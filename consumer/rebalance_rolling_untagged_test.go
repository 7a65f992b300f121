//go:build !synctests

package consumer_test

import (
	"testing"

	"github.com/vicuna-go/vicuna/internal/grouptest"
)

func TestRollingRestart(t *testing.T) {
	eachCopying(t, func(t *testing.T, w *copying, kind grouptest.Protocol) { rollingRestart(t, w, kind, true) })
}
