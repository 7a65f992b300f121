package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"
)

// staff is the processes that this one has started.
type staff struct {
	// Fixed when it is made.
	ctx context.Context // its end ends them
	out io.Writer
	env member

	mu    sync.Mutex // of out
	procs [members]*process
}

type process struct {
	cmd    *exec.Cmd
	stdin  io.Closer     // closing it asks the process to end
	spoken chan struct{} // closed when it has said something: it has partitions
	ended  chan struct{}
	err    error // of its end
}

// start starts member i: this program once more.
func (s *staff) start(i int) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	p := &process{cmd: exec.CommandContext(s.ctx, self), spoken: make(chan struct{}), ended: make(chan struct{})}
	p.cmd.Env = s.env.environ()
	p.cmd.Stderr = os.Stderr
	stdin, err := p.cmd.StdinPipe()
	if err != nil {
		return err
	}
	p.stdin = stdin
	p.cmd.Cancel = stdin.Close // it drains
	p.cmd.WaitDelay = 30 * time.Second
	said, err := p.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := p.cmd.Start(); err != nil {
		return err
	}
	s.procs[i] = p
	s.say("member %d: process %d", i, p.cmd.Process.Pid)
	go func() {
		defer close(p.ended)
		speak := sync.OnceFunc(func() { close(p.spoken) })
		for lines := bufio.NewScanner(said); lines.Scan(); speak() {
			s.say("member %d: %s", i, lines.Text())
		}
		p.err = p.cmd.Wait()
		if errors.Is(p.err, context.Canceled) && p.cmd.ProcessState.Success() {
			p.err = nil // ended by us, and well
		}
	}()
	return nil
}

// joined waits until member i has partitions.
func (s *staff) joined(i int) error {
	p := s.procs[i]
	select {
	case <-p.spoken:
		return nil
	case <-p.ended:
		return fmt.Errorf("member %d has ended: %w", i, p.err)
	case <-s.ctx.Done():
		return context.Cause(s.ctx)
	}
}

// restart ends member i as a deployment does, and starts it again.
func (s *staff) restart(i int) error {
	s.say("member %d is restarted", i)
	p := s.procs[i]
	if err := p.stdin.Close(); err != nil {
		return err
	}
	if <-p.ended; p.err != nil {
		return fmt.Errorf("member %d: %w", i, p.err)
	}
	if err := s.start(i); err != nil {
		return err
	}
	return s.joined(i)
}

// wait waits for the ends of all.
func (s *staff) wait() error {
	var errs []error
	for i, p := range s.procs {
		if p == nil {
			continue
		}
		if <-p.ended; p.err != nil {
			errs = append(errs, fmt.Errorf("member %d: %w", i, p.err))
		}
	}
	return errors.Join(errs...)
}

func (s *staff) say(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintf(s.out, format+"\n", args...)
}
