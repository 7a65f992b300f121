package worker

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/vicuna-go/vicuna/stream"
)

// variable tells a process that it is a worker, and which one.
const variable = "VICUNA_INTEGRATION_WORKER"

// Serve turns a process that was started to be a worker into it, and never returns there: it ends
// with status 0 after a clean stop (SIGTERM), 1 after any failure. In any other process it does
// nothing. A TestMain calls it first of all.
func Serve() {
	text, ok := os.LookupEnv(variable)
	if !ok {
		return
	}
	if err := serve(text); err != nil {
		slog.Error("the worker failed", "error", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func serve(text string) error {
	var s Settings
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return err
	}
	// The level is high enough to tell how each partition came and went; the file is kept when the
	// test fails.
	log := slog.New(slog.NewTextHandler(os.Stderr, nil)).With("worker", s.Instance)
	slog.SetDefault(log)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	log.Info("start", "attempt", s.Attempt, "pid", os.Getpid())
	err := copyRecords(ctx, s, newPace(s.Rate, hurried()), log)
	log.Info("end", "error", err)
	if errors.Is(err, stream.ErrDrained) {
		return nil
	}
	if err == nil {
		return errors.New("the stream ended, and nobody had asked for it")
	}
	return err
}

// hurried is closed when the parent has closed our standard input: there is no need any more to go
// slowly.
func hurried() <-chan struct{} {
	hurry := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(hurry)
	}()
	return hurry
}
