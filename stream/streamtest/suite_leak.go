package streamtest

import (
	"bytes"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
)

var goroutineHead = regexp.MustCompile(`^goroutine (\d+) .*synctest bubble (\d+)\]:`)

// goroutines are the goroutines of the caller's bubble: their stacks by their ids.
func goroutines() map[string]string {
	buf := make([]byte, 1<<16)
	for {
		n := runtime.Stack(buf, true)
		if n < len(buf) {
			buf = buf[:n]
			break
		}
		buf = make([]byte, 2*len(buf))
	}
	all := bytes.Split(buf, []byte("\n\n"))
	head := goroutineHead.FindSubmatch(all[0])
	if head == nil {
		return nil
	}
	bubble := string(head[2])
	found := map[string]string{}
	for _, g := range all {
		if head := goroutineHead.FindSubmatch(g); head != nil && string(head[2]) == bubble {
			found[string(head[1])] = string(g)
		}
	}
	return found
}

// noLeak fails the test where goroutines that began after it was called are left at the end of the
// test, after all other clean-ups.
func noLeak(t *testing.T) {
	before := goroutines()
	t.Cleanup(func() {
		synctest.Wait()
		if t.Failed() {
			return // it has ended early: what runs is not to blame
		}
		for id, stack := range goroutines() {
			if strings.Contains(stack, "franz-go/pkg/kfake.") {
				continue // an embedded broker has its own time to notice that a client is gone
			}
			if _, was := before[id]; !was {
				t.Errorf("a goroutine was left behind:\n%s", stack)
			}
		}
	})
}
