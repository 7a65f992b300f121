package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
)

func main() {
	if as, ok := role(os.Args[1:]); ok {
		exit(as())
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// role is what the program does where it has started itself.
func role(args []string) (as func() error, ok bool) {
	if len(args) != 2 {
		return nil, false
	}
	switch args[0] {
	case brokerCommand:
		return func() error { return serveBroker(args[1], os.Stdin, os.Stdout) }, true
	case copyCommand:
		return func() error { return serveCopy(args[1], os.Stdin) }, true
	default:
		return nil, false
	}
}

func exit(err error) {
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		os.Exit(0)
	default:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// config of one run of the program.
type config struct {
	only    []string // ids of the scenarios to run; empty: all
	reps    int
	quick   bool
	context bool
	out     string
	profile profiler
}

func parse(args []string, stderr io.Writer) (config, error) {
	var s config
	var only string
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.StringVar(&only, "only", "", "`ids` of the scenarios to run, by comma (P1,P9) and, if wanted, with a case (P9/maps); all when empty")
	fs.IntVar(&s.reps, "reps", 5, "repetitions of each side, after a warm-up")
	fs.BoolVar(&s.quick, "quick", false, "tiny counts: a test of the harness, no measurement")
	fs.BoolVar(&s.context, "context", true, "measure what is shown for context alone, too")
	fs.StringVar(&s.out, "out", "results.json", "`file` for the results, relative to the working directory; empty: none")
	fs.StringVar(&s.profile.cpuDir, "cpuprofile", "", "write CPU profiles of more runs of each side into this `folder`")
	fs.StringVar(&s.profile.memDir, "memprofile", "", "write allocation profiles of one more run of each side into this `folder`")
	if err := fs.Parse(args); err != nil {
		return s, err
	}
	if fs.NArg() > 0 {
		return s, fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	if s.reps < 1 {
		return s, fmt.Errorf("-reps %d: at least 1", s.reps)
	}
	for id := range strings.SplitSeq(only, ",") {
		if id = strings.TrimSpace(id); id != "" {
			s.only = append(s.only, id)
		}
	}
	return s, nil
}

// run is the whole program without its process: figures go to stdout, progress
// to stderr.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) (err error) {
	s, err := parse(args, stderr)
	if err != nil {
		return err
	}
	all := scenarios()
	if err := known(all, s.only); err != nil {
		return err
	}
	if err := s.profile.prepare(); err != nil {
		return err
	}

	facts := machine()
	fmt.Fprint(stdout, facts)
	b := &brokers{log: stderr, quick: s.quick}
	defer func() { err = errors.Join(err, b.close()) }()

	m := &meter{config: s, brokers: b, facts: facts, progress: stderr}
	rows := []row{}
	for _, sc := range all {
		var done []outcome
		for _, c := range sc.cases {
			if !wanted(s.only, sc.id, c.name) {
				continue
			}
			if c.broker != "" && c.broker != b.kind() {
				m.say("%s %s: on a broker of kind %q alone", sc.id, c.name, c.broker)
				continue
			}
			o, err := m.measure(ctx, sc, c)
			err = errors.Join(err, b.settle(ctx))
			if err != nil {
				return fmt.Errorf("%s %s: %w", sc.id, c.name, err)
			}
			done = append(done, o)
			if o.hasOurs() {
				rows = append(rows, o.row())
			}
		}
		if len(done) > 0 {
			writeTable(stdout, sc, done)
			writeVerdicts(stdout, done, facts.loop)
		}
		// After each scenario: what was measured stays when the next one fails.
		if err := writeResults(s.out, rows); err != nil {
			return err
		}
	}
	return nil
}

func wanted(only []string, id, name string) bool {
	return len(only) == 0 || slices.Contains(only, id) || slices.Contains(only, id+"/"+name)
}

// known refuses ids that no scenario has: a typing error must not look like an
// empty result.
func known(all []scenario, only []string) error {
	for _, want := range only {
		found := slices.ContainsFunc(all, func(sc scenario) bool {
			return slices.ContainsFunc(sc.cases, func(c *benchCase) bool { return wanted([]string{want}, sc.id, c.name) })
		})
		if !found {
			return fmt.Errorf("-only %s: no such scenario", want)
		}
	}
	return nil
}
