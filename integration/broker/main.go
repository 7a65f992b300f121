package broker

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// startTimeout bounds the search, a cold start of a container image included.
const startTimeout = 5 * time.Minute

// Main is what a TestMain calls: it finds a broker, hands it to use, runs the tests, stops the
// broker, looks for goroutines left behind, and returns the exit status. An interrupt stops the
// broker too, so that none is left behind.
//
// It never returns in a process that was started to be the embedded broker, so nothing may stand
// before it in TestMain.
func Main(m *testing.M, use func(*Broker)) int {
	ServeEmbedded()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	probes, err := Choose(os.Getenv(choiceVariable))
	var b *Broker
	if err == nil {
		b, err = Find(ctx, os.Stdout, probes...)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt, syscall.SIGTERM)
	finished, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-finished:
		case sig := <-interrupted:
			fmt.Fprintf(os.Stderr, "broker: %v: stopping %s\n", sig, b.Origin)
			_ = b.Close()
			os.Exit(1)
		}
	}()
	use(b)
	status := m.Run()
	close(finished)
	<-watched
	signal.Stop(interrupted)
	if err := b.Close(); err != nil {
		fmt.Fprintln(os.Stderr, "broker: stop:", err)
		status = max(status, 1)
	}
	if b.container {
		return status // the reaper's connection of testcontainers-go stays open by design
	}
	if err := goleak.Find(); err != nil && status == 0 {
		fmt.Fprintln(os.Stderr, err)
		status = 1
	}
	return status
}
