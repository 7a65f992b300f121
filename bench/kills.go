package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// P13: a copy at full speed in a process of its own is killed and started again.
// Its offsets are committed after the acknowledgements, and what lies between the
// two is copied twice. What had no acknowledgement at the kill has to be: only the
// rest is counted here, acknowledged records that were not committed.

func replayAfterKills() scenario {
	return scenario{id: "P13", title: "records copied again after a SIGKILL at full speed, beyond those in flight", cases: []*benchCase{{
		name: "100B", unit: perKill, goal: goal{ofRate: 5 * time.Millisecond}, uncounted: true,
		broker: kindKafka,
		load:   func(kind string) load { return standardLoad(kind, 100) },
		reads:  stored, commits: true,
		sides: func(size sizing) sides {
			n := 4_000_000
			if size.quick {
				n /= 10 // fewer would be over before anybody can kill it
			}
			return sides{
				ours:      oursKilled(n),
				baselines: []side{{name: "the pipelined loop of P6, commits each 500 ms", n: n, run: killed(copierByHand)}},
			}
		},
	}}}
}

const (
	copierByHand = "by hand"
	copierOurs   = "ours"
)

// killed copies the trial's topic with one kill in between.
func killed(copier string) func(ctx context.Context, t *trial) error {
	return func(ctx context.Context, t *trial) error {
		b := &broker{kind: t.kind, addrs: t.addrs}
		if err := b.connect(); err != nil {
			return err
		}
		defer b.admin.Close()
		dir, err := os.MkdirTemp("", "vicuna-bench-copy-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)

		return t.measure(func() error {
			acked, rate, err := untilKilled(ctx, copyTask{
				Copier: copier, Kind: t.kind, Addrs: t.addrs, Source: t.source, Topic: t.topic, Group: t.group,
				N: t.n, Counter: filepath.Join(dir, "acknowledged"),
			})
			if err != nil {
				return err
			}
			written, committed, err := settled(ctx, b, t)
			if err != nil {
				return err
			}
			if acked < committed || written < acked {
				return fmt.Errorf("%d written, %d acknowledged and %d committed cannot be", written, acked, committed)
			}
			t.took.value, t.took.rate = float64(acked-committed), rate
			// What was not committed is all that the second one copies.
			left := t.n - int(committed)
			t.written = int(written) + left
			return toTheEnd(ctx, copyTask{
				Copier: copier, Kind: t.kind, Addrs: t.addrs, Source: t.source, Topic: t.topic, Group: t.group,
				N: left, Counter: filepath.Join(dir, "again"),
			})
		})
	}
}

// untilKilled starts a copier, lets it run for a while, and ends it with SIGKILL.
// It returns how many acknowledgements it had, and at what rate they came.
func untilKilled(ctx context.Context, task copyTask) (acked int64, rate float64, err error) {
	count, err := openCounter(task.Counter)
	if err != nil {
		return 0, 0, err
	}
	defer count.close()
	p, err := startCopier(ctx, task)
	if err != nil {
		return 0, 0, err
	}
	defer p.end()

	var first time.Time
	var before int64
	quarter := int64(task.N) / 4
	patience := time.After(time.Minute)
	var kill <-chan time.Time
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			switch n := count.load(); {
			case n == 0:
			case first.IsZero():
				first, before = time.Now(), n
			case n >= quarter && kill == nil:
				// Not always at the same place between two commits.
				kill = time.After(rand.N(time.Since(first)))
			}
		case <-kill:
			took := time.Since(first)
			if err := p.kill(); err != nil {
				return 0, 0, err
			}
			acked = count.load()
			return acked, float64(acked-before) / took.Seconds(), nil
		case err := <-p.ended:
			p.ended <- err
			return 0, 0, fmt.Errorf("the copier ended before it was killed: %w", errors.Join(err, errors.New("too few records")))
		case <-patience:
			return 0, 0, errors.New("the copier copies nothing")
		}
	}
}

// settled waits until the broker has worked off what the dead process had sent,
// and returns what is written and committed then.
func settled(ctx context.Context, b *broker, t *trial) (written, committed int64, err error) {
	for quiet := 0; quiet < 3; {
		time.Sleep(100 * time.Millisecond)
		ends, err := b.ends(ctx, t.topic)
		if err != nil {
			return 0, 0, err
		}
		at, err := b.committed(ctx, t.group, t.source)
		if err != nil {
			return 0, 0, err
		}
		if w, c := total(ends), total(at); w != written || c != committed {
			written, committed, quiet = w, c, 0
			continue
		}
		quiet++
	}
	return written, committed, nil
}

func toTheEnd(ctx context.Context, task copyTask) error {
	p, err := startCopier(ctx, task)
	if err != nil {
		return err
	}
	defer p.end()
	select {
	case err := <-p.ended:
		p.ended <- err
		return err
	case <-time.After(2 * time.Minute):
		return errors.New("the second copier does not come to an end")
	}
}

// A copier is a process of this program that copies.
type copier struct {
	cmd   *exec.Cmd
	stdin io.Closer
	ended chan error // its outcome, left in there for the next one who asks
}

func startCopier(ctx context.Context, task copyTask) (*copier, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, copyCommand, task.String())
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &copier{cmd: cmd, stdin: stdin, ended: make(chan error, 1)}
	go func() { p.ended <- cmd.Wait() }()
	return p, nil
}

// kill returns when the process is gone.
func (p *copier) kill() error {
	if err := p.cmd.Process.Kill(); err != nil {
		return err
	}
	p.ended <- <-p.ended
	return nil
}

// end makes sure that the process is gone, whatever became of it.
func (p *copier) end() {
	_ = p.stdin.Close()
	_ = p.cmd.Process.Kill() // most have ended
	<-p.ended                //nolint:errcheck // killed, mostly
}
