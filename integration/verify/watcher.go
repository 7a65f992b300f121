package verify

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Target is a run to be watched.
type Target struct {
	Addrs   []string      // of the brokers
	Group   string        // that consumes the input and commits
	Inputs  *Inputs       // all written before
	Outputs []string      // the topics that are produced to
	Every   time.Duration // how often offsets and outputs are looked at; 200 ms when 0
}

// Progress is how far a run is, as last observed.
type Progress struct {
	Outputs   int                // outputs that are there, duplicates left out
	Missing   int                // outputs that are not
	Open      int64              // inputs that no committed offset covers
	Attempts  map[string]Attempt // by name
	Uncovered map[string]int     // outputs of each attempt that no committed offset covers
	Rounds    int                // how often it was looked, without an error
	LastError error              // of the last round, nil when it went well
}

// Done says that all outputs are there, and all inputs are covered by committed offsets.
func (p Progress) Done() bool { return p.Missing == 0 && p.Open == 0 }

// Watcher looks at a run while it goes on. Its methods may be called from any goroutine; Finish or
// Close is called once, at the end.
type Watcher struct {
	// Fixed when it is made; the reader is the goroutine's.
	target Target
	cl     *kgo.Client
	adm    *kadm.Client
	reader *reader

	// cancel ends the goroutine, which closes stopped.
	cancel  context.CancelFunc
	stopped chan struct{}

	v      *Verifier // of the goroutine, until stopped is closed
	rounds int       // likewise

	mu       sync.Mutex
	progress Progress
	changed  chan struct{} // closed and replaced with each round
}

// Watch begins to look at a run.
func Watch(t Target) (*Watcher, error) {
	if t.Every == 0 {
		t.Every = 200 * time.Millisecond
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(t.Addrs...))
	if err != nil {
		return nil, err
	}
	v := New(t.Inputs)
	r, err := newReader(t.Addrs, t.Outputs, kgo.ReadCommitted(), v.log)
	if err != nil {
		cl.Close()
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	w := &Watcher{
		target: t, cl: cl, adm: kadm.NewClient(cl), reader: r, v: v, cancel: cancel,
		stopped: make(chan struct{}), changed: make(chan struct{}),
		progress: Progress{Missing: t.Inputs.Outputs(), Open: int64(t.Inputs.Len())},
	}
	go w.loop(ctx)
	return w, nil
}

func (w *Watcher) loop(ctx context.Context) {
	defer close(w.stopped)
	again := time.NewTicker(w.target.Every)
	defer again.Stop()
	for {
		err := w.round(ctx)
		w.tell(err)
		select {
		case <-ctx.Done():
			return
		case <-again.C:
		}
	}
}

// roundTimeout bounds one look. A broker that was restarted may take that long; the next round asks
// for everything again.
const roundTimeout = 15 * time.Second

// round looks once: the committed offsets first, then the ends, then the outputs up to there.
func (w *Watcher) round(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, roundTimeout)
	defer cancel()
	committed, err := w.committed(ctx)
	if err != nil {
		return err
	}
	ends, err := w.ends(ctx, w.adm.ListCommittedOffsets)
	if err != nil {
		return err
	}
	if err := w.reader.readTo(ctx, ends); err != nil {
		return err
	}
	w.v.Observe(committed)
	return nil
}

// committed reads the group's offsets of the input topic; partitions without one are left out.
func (w *Watcher) committed(ctx context.Context) (map[int32]int64, error) {
	topic := w.target.Inputs.Topic()
	resp, err := w.adm.FetchOffsetsForTopics(ctx, w.target.Group, topic)
	if err == nil {
		err = resp.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("committed offsets of %s: %w", w.target.Group, err)
	}
	offsets := map[int32]int64{}
	resp.Each(func(o kadm.OffsetResponse) {
		if o.Topic == topic && o.At >= 0 {
			offsets[o.Partition] = o.At
		}
	})
	return offsets, nil
}

func (w *Watcher) ends(ctx context.Context, list func(context.Context, ...string) (kadm.ListedOffsets, error)) (map[partition]int64, error) {
	listed, err := list(ctx, w.target.Outputs...)
	if err == nil {
		err = listed.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("ends of %v: %w", w.target.Outputs, err)
	}
	ends := map[partition]int64{}
	listed.Each(func(o kadm.ListedOffset) { ends[partition{o.Topic, o.Partition}] = o.Offset })
	return ends, nil
}

// tell publishes the progress.
func (w *Watcher) tell(err error) {
	if err == nil {
		w.rounds++
	}
	p := Progress{
		Outputs: w.v.log.first, Missing: w.target.Inputs.Outputs() - w.v.log.first, Attempts: map[string]Attempt{},
		Uncovered: w.v.log.uncovered(w.v.offsets.last), Rounds: w.rounds, LastError: err,
	}
	for number, end := range w.target.Inputs.Ends() {
		p.Open += max(0, end-w.v.offsets.last[number])
	}
	for name, a := range w.v.log.attempts {
		p.Attempts[name] = *a
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.progress = p
	close(w.changed)
	w.changed = make(chan struct{})
}

// Progress is how far the run is, as last observed.
func (w *Watcher) Progress() Progress {
	p, _ := w.now()
	return p
}

func (w *Watcher) now() (Progress, <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.progress
	p.Attempts, p.Uncovered = maps.Clone(p.Attempts), maps.Clone(p.Uncovered)
	return p, w.changed
}

// Await waits until the progress is as wanted. The error, when the context ends before, says how
// far the run is.
func (w *Watcher) Await(ctx context.Context, wanted func(Progress) bool) error {
	for {
		p, changed := w.now()
		if wanted(p) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %d outputs are there, %d are missing, %d inputs are not committed (last round: %w)",
				context.Cause(ctx), p.Outputs, p.Missing, p.Open, errOr(p.LastError))
		case <-changed:
		}
	}
}

func errOr(err error) error {
	if err != nil {
		return err
	}
	return errors.New("went well")
}

// Finish judges the end of a run in which nobody produces or commits any more, closes the watcher,
// and reports.
func (w *Watcher) Finish(ctx context.Context) (Report, error) {
	defer w.Close()
	w.cancel()
	<-w.stopped
	committed, err := w.committed(ctx)
	if err != nil {
		return w.v.Report(), err
	}
	if err := w.round(ctx); err != nil { // to the end; the reader goes on where it was
		return w.v.Report(), err
	}
	final, err := w.readAll(ctx, kgo.ReadCommitted(), w.adm.ListCommittedOffsets)
	if err != nil {
		return w.v.Report(), err
	}
	uncommitted, err := w.readAll(ctx, kgo.ReadUncommitted(), w.adm.ListEndOffsets)
	if err != nil {
		return w.v.Report(), err
	}
	w.v.Finish(committed, final, uncommitted)
	return w.v.Report(), nil
}

func (w *Watcher) readAll(ctx context.Context, isolation kgo.IsolationLevel, list func(context.Context, ...string) (kadm.ListedOffsets, error)) (*Log, error) {
	log := NewLog(w.target.Inputs)
	r, err := newReader(w.target.Addrs, w.target.Outputs, isolation, log)
	if err != nil {
		return nil, err
	}
	defer r.close()
	ends, err := w.ends(ctx, list)
	if err != nil {
		return nil, err
	}
	return log, r.readTo(ctx, ends)
}

// Close ends the watching of a run that nobody wants judged. After Finish it does nothing.
func (w *Watcher) Close() {
	w.cancel()
	<-w.stopped
	w.reader.close()
	w.cl.Close()
}
