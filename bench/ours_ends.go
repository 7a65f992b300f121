package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// oursEnd is P14.
func oursEnd(what, shape string, call time.Duration) *side {
	return &side{name: "MapAsync(4)", n: 1, run: func(ctx context.Context, t *trial) error {
		return t.measure(func() error {
			took, err := virtualEnd(ctx, what, shape, call)
			t.latency[0] = took
			return err
		})
	}}
}

// module is the library's.
const module = "github.com/vicuna-go/vicuna"

// virtualEnd runs the library's test of one case and reads its figure, the worst
// of all protocols. That the test fails, as an end takes too long, is no error
// here.
func virtualEnd(ctx context.Context, what, shape string, call time.Duration) (worst time.Duration, err error) {
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	if err != nil {
		return 0, fmt.Errorf("the library's folder: %w", err)
	}
	test := map[string]string{"drain": "TestEndsOfSlowCalls", "join": "TestJoinsBesideSlowCalls"}[what]
	cmd := exec.CommandContext(ctx, "go", "test", "-tags", "synctests", "-count", "1", "-v",
		"-run", fmt.Sprintf("^%s$/^%s,_%v,", test, shape, call), "./internal/service")
	cmd.Dir = strings.TrimSpace(string(root))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	failed := cmd.Run()
	figures := regexp.MustCompile(fmt.Sprintf(`P14 %s/%s/%v: (\d+) ms`, what, shape, call)).FindAllSubmatch(out.Bytes(), -1)
	for _, f := range figures {
		ms, err := strconv.Atoi(string(f[1]))
		if err != nil {
			return 0, err
		}
		worst = max(worst, time.Duration(ms)*time.Millisecond)
	}
	if len(figures) == 0 {
		//nolint:errorlint // nil is usual: it has passed, and printed nothing
		return 0, fmt.Errorf("%s gives no figure (it ended with: %v):\n%s", test, failed, out.Bytes())
	}
	return worst, nil
}
