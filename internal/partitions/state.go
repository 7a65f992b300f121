package partitions

import "strings"

// State is where a partition stands.
type State uint8

// The states; see the package's comment.
const (
	Joining State = iota
	Waiting
	Flowing
	Paused
	Revoking
	Gone
)

// String returns the state's name in lower case.
func (s State) String() string {
	return [...]string{"joining", "waiting", "flowing", "paused", "revoking", "gone"}[s]
}

// Transitions are the states that may follow each state.
func Transitions() map[State][]State {
	return map[State][]State{
		Joining:  {Waiting, Flowing, Paused, Revoking, Gone},
		Waiting:  {Flowing, Paused, Revoking, Gone},
		Flowing:  {Waiting, Paused, Revoking, Gone},
		Paused:   {Waiting, Flowing, Revoking, Gone},
		Revoking: {Gone},
		Gone:     {},
	}
}

// Reason is why a partition is not fetched. Several may hold at the same time.
type Reason uint8

const (
	// User: Pause was called, and Resume was not.
	User Reason = 1 << iota
	// Full: its tracker takes no more.
	Full
	// Share: it holds more than its share of the memory.
	Share
)

// throttled are the reasons that go when there is room again.
const throttled = Full | Share

// String returns the reasons' names, with plus signs between them.
func (r Reason) String() string {
	var names []string
	for i, name := range []string{"user", "full", "share"} {
		if r&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, "+")
}
