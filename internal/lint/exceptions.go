package lint

import (
	"fmt"
	"strings"
)

// exception lets findings of one rule pass in one place.
type exception struct {
	rule   string
	place  string // "folder" with all below it, or "folder declaration"
	reason string
}

// matches is true for a finding that the exception is about.
func (e exception) matches(f finding) bool {
	if e.rule != f.rule {
		return false
	}
	if strings.Contains(e.place, " ") {
		return f.place == e.place
	}
	return f.dir() == e.place || strings.HasPrefix(f.dir(), e.place+"/")
}

// exceptions are all that the rules let pass.
func exceptions() []exception {
	return []exception{
		{"go", "internal/core launch", "the launcher itself"},
		{"go", "internal/grouptest", "test code, which writes and waits beside what it tests"},
		{"go", "stream/streamtest", "a suite is test code, which waits beside a run for its end"},
		{"go", "internal/commit", "functions of contexts: they cancel, and wait for a second at most"},
		{"go", "internal/kclient", "the watch's timer: it writes a line, before there is a run and after"},
		{"go", "internal/reader callers.call", "a timer: it writes a line while a user's function is slow"},
		{"go", "producer", "timers and functions of contexts of clients, which have no run: they cancel, set a flag, or write a line"},

		{"leak", "integration", "its TestMain ends the broker, and each service under test is a process of its own"},

		{"background", "internal/grouptest", "test code: what a test asks the broker when it ends outlives the test's context"},
		{"background", "producer gone", "an ended context, of which every method that says so is overridden"},

		{"init", "internal/committing committableType", "a type, which is compared and never written"},
		{"init", "internal/committing carrierType", "the same"},
		{"init", "internal/grouptest cooperative", "settings of test members, which are values and never written"},
		{"init", "internal/grouptest noMetrics", "the same"},
		{"init", "internal/bubble single", "GOMAXPROCS is the process's: the bubbles in it are counted in one place"},
		{"init", "producer ended", "a channel that is closed before anyone can see it"},
		{"init", "serde jsonWriters", "a pool of buffers, which nobody can tell from new ones"},
		{"init", "consumer control", "a mark that is compared by its address and never written"},
		{"init", "settings committerDefaults", "its address is read through and never written: With copies"},

		{"error", "internal/core PanicError.Error", "always inside a StageError"},
		{"error", "internal/core GivenUpError.Error", "begins with its cause, which is one of the family"},
		{"error", "internal/partition PanicError.Error", "always inside a producer.RecordError"},
		{"error", "internal/kclient DeliveryTimeoutError.Error", "always inside a producer.RecordError"},
		{"error", "internal/kclient PartitionError.Error", "always inside a producer.RecordError or a StageError"},
		{"error", "internal/commit ErrGone", "always inside a fault.CommitError"},
		{"error", "internal/membership ErrJoining", "between the client and the commit; no user sees it"},
		{"error", "serde LengthError.Error", "always inside a serde.Error"},
		{"error", "serde ErrMissing", "always inside a serde.Error"},
	}
}

// judge takes what is excepted out of found, and says what is wrong with the exceptions themselves.
func judge(found []finding, excepted []exception) (left []finding, wrong []string) {
	used := make([]bool, len(excepted))
	for _, f := range found {
		passes := false
		for i, e := range excepted {
			if e.matches(f) {
				used[i], passes = true, true
			}
		}
		if !passes {
			left = append(left, f)
		}
	}
	for i, e := range excepted {
		if strings.TrimSpace(e.reason) == "" {
			wrong = append(wrong, fmt.Sprintf("the exception from %s for %q has no reason", e.rule, e.place))
		}
		if !used[i] {
			wrong = append(wrong, fmt.Sprintf("the exception from %s for %q matches nothing: take it out", e.rule, e.place))
		}
	}
	return left, wrong
}
