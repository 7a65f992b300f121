package verify

import "fmt"

// Finding is how often something was seen, and the first time.
type Finding struct {
	Count int
	First string // empty when Count is 0
}

func (f *Finding) add(format string, args ...any) {
	if f.Count == 0 {
		f.First = fmt.Sprintf(format, args...)
	}
	f.Count++
}

// String gives the number, and the first one in words.
func (f Finding) String() string {
	if f.Count == 0 {
		return "0"
	}
	return fmt.Sprintf("%d, the first: %s", f.Count, f.First)
}
