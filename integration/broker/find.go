package broker

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// ErrAbsent says that a probe has nothing to start from, so that the next one is asked.
// Probes wrap it with the reason.
var ErrAbsent = errors.New("not here")

// Probe is one place that a broker may come from.
type Probe interface {
	// Name says what the probe looks for, for the line that tells what was taken.
	Name() string
	// Start gives a broker that answers. An error that is ErrAbsent means that this place has none;
	// any other error means that there should have been one, and ends the search.
	Start(ctx context.Context) (*Broker, error)
}

// Probes is the order in which a broker is looked for.
func Probes() []Probe {
	return []Probe{environment{}, distribution{}, docker{}, embedded{}}
}

// Find asks the probes in order and gives the first broker. It writes to w one line for each place
// that has none, with the reason, and one that names the broker it took. The caller closes the
// broker.
func Find(ctx context.Context, w io.Writer, probes ...Probe) (*Broker, error) {
	for _, p := range probes {
		b, err := p.Start(ctx)
		switch {
		case err == nil:
			fmt.Fprintf(w, "broker: taking %s at %v\n", b.Origin, b.Addrs)
			return b, nil
		case errors.Is(err, ErrAbsent):
			fmt.Fprintf(w, "broker: %s: %v\n", p.Name(), err)
		default:
			return nil, fmt.Errorf("broker: %s: %w", p.Name(), err)
		}
	}
	return nil, fmt.Errorf("broker: %w: no place is left to look in", ErrAbsent)
}
