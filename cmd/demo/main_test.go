package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/vicuna-go/vicuna/internal/tempdir"
)

// asProgram makes the test binary the program itself, for the test of real signals.
const asProgram = "VICUNA_DEMO_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	goleak.VerifyTestMain(m)
}

// output is what the program has written so far; a test can wait for something in it.
type output struct {
	mu      sync.Mutex
	buf     bytes.Buffer
	changed chan struct{}
}

func newOutput() *output { return &output{changed: make(chan struct{})} }

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.buf.Write(p)
	close(o.changed)
	o.changed = make(chan struct{})
	return len(p), nil
}

func (o *output) read() (string, <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String(), o.changed
}

func (o *output) String() string {
	s, _ := o.read()
	return s
}

// await waits until the output has the text.
func (o *output) await(t *testing.T, text string) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		s, changed := o.read()
		if strings.Contains(s, text) {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			require.FailNow(t, "the program has not said "+text, s)
		}
	}
}

// running is a program that a test has started.
type running struct {
	program
	out, errs  *output
	interrupts chan os.Signal
	status     chan int
}

func newProgram(t *testing.T, env map[string]string, args ...string) *running {
	tempdir.Own(t) // where the embedded broker's files go
	r := &running{out: newOutput(), errs: newOutput(), interrupts: make(chan os.Signal, 2), status: make(chan int, 1)}
	r.program = program{
		args: args, env: func(name string) string { return env[name] },
		stdin: strings.NewReader(""), stdout: r.out, stderr: r.errs,
		interrupts: r.interrupts, release: func() {}, patience: 15 * time.Second,
	}
	return r
}

// start runs it in the background.
func (r *running) start() { go func() { r.status <- r.run(context.Background()) }() }

func (r *running) interrupt() { r.interrupts <- os.Interrupt }

// exits waits for its end.
func (r *running) exits(t *testing.T, status int) {
	t.Helper()
	select {
	case got := <-r.status:
		require.Equal(t, status, got, "stdout:\n%s\nstderr:\n%s", r.out, r.errs)
	case <-time.After(time.Minute):
		require.FailNow(t, "the program does not end", "%s%s", r.out, r.errs)
	}
	left, err := os.ReadDir(os.TempDir())
	require.NoError(t, err)
	require.Empty(t, left, "files are left behind")
}

// result runs it to its end.
func (r *running) result(t *testing.T, status int) string {
	t.Helper()
	r.start()
	r.exits(t, status)
	return r.out.String() + r.errs.String()
}

// lines is a standard input that the test writes to.
func (r *running) lines(t *testing.T) io.Writer {
	in, w := io.Pipe()
	r.stdin = in
	t.Cleanup(func() { w.Close() })
	return w
}
