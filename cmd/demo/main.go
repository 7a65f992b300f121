package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/vicuna-go/vicuna/producer"
	"github.com/vicuna-go/vicuna/serde"
	"github.com/vicuna-go/vicuna/settings"
)

// Bounds of what has to do with the broker alone. Together the first two stay below the 15 seconds
// after which an unreachable broker is to be told.
const (
	reachFor = 8 * time.Second
	adminFor = 5 * time.Second
)

var (
	errInterrupted = errors.New("interrupted")
	errWrong       = errors.New("what was read back is not what was sent")
	errUsage       = errors.New("wrong arguments")
)

func main() {
	interrupts := make(chan os.Signal, 2)
	signal.Notify(interrupts, os.Interrupt, syscall.SIGTERM)
	p := program{
		args: os.Args[1:], env: os.Getenv, stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, terminal: isTerminal(os.Stdout),
		interrupts: interrupts,
		release:    func() { signal.Stop(interrupts) },
		patience:   15 * time.Second,
	}
	os.Exit(p.run(context.Background()))
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// program is the command with everything that it takes from its surroundings.
type program struct {
	args           []string
	env            func(string) string
	stdin          io.Reader
	stdout, stderr io.Writer
	terminal       bool // stdout is one: progress is one line that is written again
	interrupts     <-chan os.Signal
	release        func()        // gives Ctrl-C back to the system
	patience       time.Duration // how long reading back waits for the next record
}

// config is what the arguments and the environment say.
type config struct {
	input     string // a file, "-" for the standard input, "" for the one that is built in
	key       string
	rate      int
	bootstrap string
}

// run is the command; it returns the exit status.
func (p program) run(ctx context.Context) int {
	out := &screen{out: p.stdout, terminal: p.terminal}
	err := p.start(ctx, out)
	out.end()
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.Is(err, errUsage): // flag has said it
		return 2
	case errors.Is(err, errInterrupted):
		return 130
	}
	fmt.Fprintln(p.stderr, "demo:", err)
	return 1
}

func (p program) start(ctx context.Context, out *screen) error {
	cfg, err := p.configure()
	if err != nil {
		return err
	}
	drain, stop, leave := p.listen(ctx, out)
	defer leave()
	in, err := openInput(cfg, p.stdin)
	if err != nil {
		return err
	}
	defer in.close()
	err = p.demo(drain, stop, out, cfg, in)
	if drain.Err() != nil && !errors.Is(err, errWrong) {
		return errInterrupted
	}
	return err
}

func (p program) configure() (cfg config, err error) {
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	flags.SetOutput(p.stderr)
	flags.StringVar(&cfg.input, "input", p.env("INPUT"), "newline-delimited JSON, one value a line; - is the standard input; the default is a small file that is built in")
	flags.StringVar(&cfg.key, "key", "customer", "the field of a line that is its record's key; lines without it have none")
	flags.IntVar(&cfg.rate, "rate", 0, "lines a second; 0 is as fast as it goes")
	flags.Usage = func() {
		fmt.Fprintln(p.stderr, "usage: demo [-input file] [-key field] [-rate n]\nKAFKA_BOOTSTRAP_SERVERS=host:port,… takes a real broker in place of the embedded one.")
		flags.PrintDefaults()
	}
	switch err := flags.Parse(p.args); {
	case errors.Is(err, flag.ErrHelp):
		return cfg, err
	case err != nil:
		return cfg, errUsage
	case flags.NArg() > 0:
		fmt.Fprintf(p.stderr, "demo: there are no arguments but flags: %s\n", strings.Join(flags.Args(), " "))
		flags.Usage()
		return cfg, errUsage
	}
	cfg.bootstrap = p.env("KAFKA_BOOTSTRAP_SERVERS")
	return cfg, nil
}

// listen turns interrupts into the ends of two contexts: the first Ctrl-C ends drain, the second
// stop.
func (p program) listen(ctx context.Context, out *screen) (drain, stop context.Context, leave func()) {
	stop, stopNow := context.WithCancelCause(ctx)
	drain, drainNow := context.WithCancelCause(stop)
	left := make(chan struct{})
	go func() {
		for _, act := range []func(){
			func() {
				out.say("interrupted: what is in flight is being finished; Ctrl-C again stops at once")
				drainNow(errInterrupted)
			},
			func() {
				out.say("interrupted again: stopping")
				stopNow(errInterrupted)
				p.release()
			},
		} {
			select {
			case <-p.interrupts:
				act()
			case <-left:
				return
			}
		}
	}()
	return drain, stop, func() {
		close(left)
		drainNow(nil)
		stopNow(nil)
	}
}

// demo is what is demonstrated. drain ends at the first Ctrl-C, stop at the second.
func (p program) demo(drain, stop context.Context, out *screen, cfg config, in *input) error {
	b, err := findBroker(cfg.bootstrap)
	if err != nil {
		return err
	}
	defer b.close()
	out.say("input   %s\nbroker  %s", in.name, b.name)

	log := settings.Logger(slog.New(slog.NewTextHandler(p.stderr, nil)))
	ps := settings.NewProducer(serde.String(), serde.Bytes(), settings.Bootstrap(b.addrs...), settings.ClientID("vicuna-demo"), log)
	client, err := producer.NewClient(ps)
	if err != nil {
		return err
	}
	defer func() { _ = client.Close(stop) }() // everything has its outcome, or is told to have none

	if err := reach(drain, client); err != nil {
		return err
	}
	n, err := create(stop, client) // not left half done at the first Ctrl-C
	if err != nil {
		return err
	}
	defer n.remove(stop, out, client)
	cs := settings.NewConsumer(serde.String(), serde.Bytes(), settings.Bootstrap(b.addrs...), settings.ClientID("vicuna-demo"), log,
		settings.Group(n.group), settings.Budget(32<<20, 100_000))

	c, err := start(drain, cs, ps, client, n, in)
	if err != nil {
		return err
	}
	spare := context.AfterFunc(stop, c.stop)
	err = c.watch(drain, out, p.patience)
	spare()
	v := verifier{broker: b, names: n, patience: p.patience, out: out}
	switch {
	case err == nil:
		return v.verify(drain, &c.sent, true)
	case c.drained():
		c.tell(stop, out, "drained", v)
		return v.verify(stop, &c.sent, false)
	case stop.Err() != nil:
		c.tell(stop, out, "stopped", v)
	default:
		c.tell(stop, out, "failed", v)
	}
	return plain(err)
}

// plain is the error about the input, where there is one, without the stage that it came from: it
// says where to look.
func plain(err error) error {
	if bad, ok := errors.AsType[*lineError](err); ok {
		return bad
	}
	if empty, ok := errors.AsType[*emptyError](err); ok {
		return empty
	}
	return err
}

// reach asks the brokers before anything is begun: the client itself would wait for them for its
// delivery time-out of two minutes.
func reach(ctx context.Context, client *producer.Client) error {
	ctx, cancel := context.WithTimeout(ctx, reachFor)
	defer cancel()
	return client.Reach(ctx)
}
