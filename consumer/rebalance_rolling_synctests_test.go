//go:build synctests

package consumer_test

import (
	"testing"

	"github.com/vicuna-go/vicuna/internal/grouptest"
)

func TestRollingRestart(t *testing.T) {
	for name, ordered := range map[string]bool{"ordered": true, "unordered": false} {
		t.Run(name, func(t *testing.T) {
			eachCopying(t, func(t *testing.T, w *copying, kind grouptest.Protocol) { rollingRestart(t, w, kind, ordered) })
		})
	}
}
