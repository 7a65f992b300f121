package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/vicuna-go/vicuna/integration/process"
	"github.com/vicuna-go/vicuna/integration/verify"
)

// stopTimeout is how long a clean stop may take before it counts as a failure: the drain, its
// commit, and leaving the group.
const stopTimeout = 30 * time.Second

// Worker is a worker that runs, is ended, and is started again with the same settings. It is not
// for concurrent use.
type Worker struct {
	settings Settings
	log      string

	running *process.Process
	attempt string
	reins   io.Closer // its standard input
}

// New gives a worker that does not run yet. What it says goes to a file of its name in the folder,
// one run after the other.
func New(s Settings, folder string) *Worker {
	return &Worker{settings: s, log: filepath.Join(folder, s.Instance+".log")}
}

// Start starts the worker. Each start is an attempt of its own.
func (w *Worker) Start() error {
	if w.running != nil {
		return fmt.Errorf("worker %s runs already", w.settings.Instance)
	}
	binary, err := os.Executable()
	if err != nil {
		return err
	}
	s := w.settings
	s.Attempt = verify.NewAttempt()
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	cmd := exec.Command(binary)
	cmd.Env = append(os.Environ(), variable+"="+string(text))
	reins, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	p, err := process.Start(cmd, w.log)
	if err != nil {
		return err
	}
	w.running, w.attempt, w.reins = p, s.Attempt, reins
	return nil
}

// Hurry lets the worker go as fast as it can, without pace and without work on records, from now on
// and when it is started again.
func (w *Worker) Hurry() {
	w.settings.Rate, w.settings.Work = 0, 0
	if w.reins != nil {
		_ = w.reins.Close() // it is closed already when the worker has ended
	}
}

// Running says whether the worker was started and neither stopped nor killed since.
func (w *Worker) Running() bool { return w.running != nil }

// Attempt is the name of the run of the worker, the last one when it is down.
func (w *Worker) Attempt() string { return w.attempt }

// Name is the worker's name, and its client id.
func (w *Worker) Name() string { return w.settings.Instance }

// Log is the file that the worker writes to.
func (w *Worker) Log() string { return w.log }

// Check says whether the worker has ended by itself, and how. A worker that was ended is well.
func (w *Worker) Check() error {
	if w.running == nil {
		return nil
	}
	select {
	case <-w.running.Exited():
		return fmt.Errorf("worker %s ended by itself: %w (its log is %s)", w.settings.Instance, errOr(w.running.Err()), w.log)
	default:
		return nil
	}
}

// Kill ends the worker as a crash does (SIGKILL), and waits until it is gone.
func (w *Worker) Kill() error {
	if err := w.Check(); err != nil || w.running == nil {
		return err
	}
	p := w.running
	w.running = nil
	return p.Kill()
}

// Stop asks the worker to end (SIGTERM), and waits until it has drained. That it does not, or
// fails, is an error.
func (w *Worker) Stop() error {
	if err := w.Check(); err != nil || w.running == nil {
		return err
	}
	p := w.running
	w.running = nil
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	err := p.Stop(ctx)
	if err == nil {
		err = p.Err()
	}
	if err != nil {
		return fmt.Errorf("worker %s did not stop cleanly: %w (its log is %s)", w.settings.Instance, err, w.log)
	}
	return nil
}

func errOr(err error) error {
	if err == nil {
		return errors.New("with status 0")
	}
	return err
}
