package consumer

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/vicuna-go/vicuna/internal/reader"
	"github.com/vicuna-go/vicuna/internal/topics"
)

// Subscription says what is read: whole topics, shared with the other members of the group, or
// partitions of the user's choice. The zero value is none, and refused.
type Subscription struct{ s reader.Subscription }

// Topics subscribes to topics as a member of the settings' group: the group's members share the
// partitions, and offsets are kept by the group.
func Topics(names ...string) Subscription {
	return Subscription{reader.Subscription{Topics: slices.Clone(names)}}
}

// Partitions reads the given partitions, without membership in a group: nobody takes them away, and
// nobody is kept from reading them too. With a group in the settings, reading begins at the group's
// committed offsets, and offsets are committed to it; the group should have no members. Without
// one, reading begins as settings.StartFrom says.
func Partitions(ps ...TopicPartition) Subscription {
	return Subscription{reader.Subscription{Partitions: slices.Clone(ps), Manual: true}}
}

// Offsets is [Partitions] with the offset of the first record to read in each, whatever is
// committed.
func Offsets(from map[TopicPartition]int64) Subscription {
	s := reader.Subscription{Offsets: maps.Clone(from), Manual: true}
	for p := range from {
		s.Partitions = append(s.Partitions, p)
	}
	topics.Sort(s.Partitions)
	return Subscription{s}
}

// ErrSubscription is what every refusal of a subscription is.
var ErrSubscription = errors.New("vicuna: bad subscription")

// check finds all that is wrong.
func (s Subscription) check() error {
	var errs []error
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("%w: %s", ErrSubscription, fmt.Sprintf(format, args...)))
	}
	if !s.s.Manual && len(s.s.Topics) == 0 {
		bad("it names no topic")
	}
	if s.s.Manual && len(s.s.Partitions) == 0 {
		bad("it names no partition")
	}
	seen := map[string]bool{}
	for _, t := range s.s.Topics {
		if reason := badTopic(t); reason != "" {
			bad("topic %q %s", t, reason)
		}
		if seen[t] {
			bad("topic %q is named twice", t)
		}
		seen[t] = true
	}
	for _, p := range s.s.Partitions {
		if reason := badTopic(p.Topic); reason != "" {
			bad("topic %q %s", p.Topic, reason)
		}
		if p.Partition < 0 {
			bad("partition %d of topic %q is negative", p.Partition, p.Topic)
		}
		if seen[p.String()] {
			bad("%v is named twice", p)
		}
		seen[p.String()] = true
		if o, ok := s.s.Offsets[p]; ok && o < 0 {
			bad("offset %d of %v is negative", o, p)
		}
	}
	return errors.Join(errs...)
}

// badTopic returns what is wrong with a topic's name, by Kafka's rules, or "".
func badTopic(name string) string {
	switch {
	case name == "":
		return "is empty"
	case name == "." || name == "..":
		return "is no name that Kafka allows"
	case len(name) > 249:
		return fmt.Sprintf("has %d characters, 249 are allowed", len(name))
	case strings.ContainsFunc(name, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '_' || r == '-')
	}):
		return "has characters that are not allowed (letters, digits, '.', '_' and '-' are)"
	}
	return ""
}
