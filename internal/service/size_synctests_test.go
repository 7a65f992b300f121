//go:build synctests

package service_test

import (
	"os"
	"time"

	"github.com/vicuna-go/vicuna/internal/grouptest"
)

// all says that every test is to run with everything: each shape of a service in each protocol,
// from each source, at more moments. That takes some minutes (VICUNA_TESTS=all).
func all() bool { return os.Getenv("VICUNA_TESTS") == "all" }

// protocolsFor are all for the source that is used most, one for each of the others.
func protocolsFor(s source) []grouptest.Protocol {
	for i := range sources {
		if i > 0 && sources[i].name == s.name && !all() {
			return protocols[i : i+1]
		}
	}
	return protocols
}

// graphsFor are all for the source that is used most, a few for each of the others.
func graphsFor(s source) []graph {
	if s.name != sources[committable].name && !all() {
		return graphs[:2]
	}
	return graphs
}

// moment is how far two moments are apart at which something else happens.
func moment() time.Duration {
	if all() {
		return 100 * time.Millisecond
	}
	return 450 * time.Millisecond
}
