// Command group is several processes that share one group: each of them copies the jobs of its
// partitions to their results. The program starts itself three times, restarts one of them in the
// middle, as a deployment does (asked to end, drained, a new one), and then looks: nothing is lost,
// and nothing is there twice.
//
//	go run ./examples/group
//
// The processes have nothing in common but the broker. The embedded one is in the first process;
// the members reach it over TCP like a real one. A member ends at SIGTERM, as a service does, and
// when its standard input is closed: that is how the first process asks it to, since Windows has no
// signal to send, and it ends too when the first process is gone.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/examples/internal/broker"
	"github.com/vicuna-go/vicuna/producer"
	"github.com/vicuna-go/vicuna/serde"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

const members = 3

func main() {
	// drains, in the members as well
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if m, ok := asMember(); ok {
		ctx, leave := context.WithCancel(ctx)
		defer leave()
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			leave()
		}()
		if err := m.run(ctx, os.Stdout); err != nil && !errors.Is(err, stream.ErrDrained) {
			log.Fatal(err)
		}
		return
	}
	if err := run(ctx, os.Stdout, 3000); err != nil && !errors.Is(err, context.Canceled) {
		log.Fatal(err)
	}
}

// run is the first process.
func run(ctx context.Context, out io.Writer, n int) (err error) {
	b, err := broker.Find(ctx, "jobs", "results")
	if err != nil {
		return err
	}
	defer b.Close()
	ctx, leave := context.WithCancel(ctx) // ends the members
	s := &staff{ctx: ctx, out: out, env: member{brokers: b.Addrs(), group: b.Group("workers"), jobs: b.Topic("jobs"), results: b.Topic("results")}}
	defer func() {
		leave()
		err = errors.Join(err, s.wait())
	}()
	for i := range members {
		if err := s.start(i); err != nil {
			return err
		}
	}
	for i := range members {
		if err := s.joined(i); err != nil {
			return err
		}
	}

	// A thousand jobs a second. When a third is written, member 1 is restarted, while the rest of
	// the jobs go on coming.
	var restart sync.WaitGroup
	var restarted error
	err = write(ctx, b, n, func() { restart.Go(func() { restarted = s.restart(1) }) })
	restart.Wait()
	if err := errors.Join(err, restarted); err != nil {
		return err
	}
	if err := committed(ctx, b); err != nil {
		return err
	}
	return judge(ctx, s, b, n)
}

// write writes n jobs, and calls third when it has come so far.
func write(ctx context.Context, b *broker.Broker, n int, third func()) error {
	ps := settings.NewProducer(serde.String(), serde.String(), b.Bootstrap())
	numbers := stream.FromFunc(func(ctx context.Context, emit func(int) bool) error {
		pace := time.NewTicker(10 * time.Millisecond)
		defer pace.Stop()
		for i := range n {
			if i == n/3 {
				third()
			}
			if i%10 == 0 {
				select {
				case <-pace.C:
				case <-ctx.Done():
					return nil
				}
			}
			if !emit(i) {
				return nil
			}
		}
		return nil
	})
	return stream.Map(numbers, func(i int) *envelope.Record[string, string] {
		return envelope.New(b.Topic("jobs"), fmt.Sprintf("customer-%d", i%20), fmt.Sprintf("job %d", i))
	}).To(producer.PlainSink(ps)).Run(ctx)
}

// committed waits until the group has committed every job.
func committed(ctx context.Context, b *broker.Broker) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	for {
		done, all, err := b.Committed(ctx, "workers", "jobs")
		if err != nil || done == all {
			return err
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return fmt.Errorf("%d of %d jobs are committed: %w", done, all, context.Cause(ctx))
		}
	}
}

// judge counts the results.
func judge(ctx context.Context, s *staff, b *broker.Broker, n int) error {
	records, err := b.Read(ctx, "results")
	if err != nil {
		return err
	}
	times := map[string]int{}
	for _, r := range records {
		times[string(r.Value)]++
	}
	lost := 0
	for i := range n {
		if times[fmt.Sprintf("job %d done", i)] == 0 {
			lost++
		}
	}
	doubled := len(records) - len(times)
	s.say("%d jobs, %d lost, %d done twice", n, lost, doubled)
	if lost+doubled > 0 {
		return errors.New("the results are not those of the jobs")
	}
	return nil
}
