package broker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
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

// choiceVariable names the one place that a broker may come from. Without it a suite runs on the
// embedded broker where nothing else is there, which is right for a laptop and wrong for a job that
// is to prove something about Kafka.
const choiceVariable = "VICUNA_BROKER"

// Choose is the probe that the choice names, or all of them where it is empty.
func Choose(choice string) ([]Probe, error) {
	if choice == "" {
		return Probes(), nil
	}
	named := map[string]Probe{"environment": environment{}, "distribution": distribution{}, "docker": docker{}, "embedded": embedded{}}
	p, ok := named[choice]
	if !ok {
		return nil, fmt.Errorf("broker: %s=%s: it is one of %s", choiceVariable, choice, strings.Join(slices.Sorted(maps.Keys(named)), ", "))
	}
	return []Probe{p}, nil
}

// Find asks the probes in order and gives the first broker. It writes to w one line for each place
// that has none, with the reason, and one that names the broker it took. The caller closes the
// broker. The error where none has one has the reasons too.
func Find(ctx context.Context, w io.Writer, probes ...Probe) (*Broker, error) {
	var reasons []string
	for _, p := range probes {
		b, err := p.Start(ctx)
		switch {
		case err == nil:
			fmt.Fprintf(w, "broker: taking %s at %v\n", b.Origin, b.Addrs)
			return b, nil
		case errors.Is(err, ErrAbsent):
			fmt.Fprintf(w, "broker: %s: %v\n", p.Name(), err)
			reasons = append(reasons, fmt.Sprintf("%s: %v", p.Name(), err))
		default:
			return nil, fmt.Errorf("broker: %s: %w", p.Name(), err)
		}
	}
	return nil, fmt.Errorf("broker: %w: no place is left to look in (%s)", ErrAbsent, strings.Join(reasons, "; "))
}
