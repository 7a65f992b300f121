package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/twmb/franz-go/pkg/kgo"
)

// copyCommand makes this program a copier that may be killed. It is not for
// users: the program starts itself with it.
const copyCommand = "serve-copy"

// A copyTask is what a copier is to do.
type copyTask struct {
	Copier  string   // copierByHand or copierOurs
	Kind    string   // of the broker
	Addrs   []string // where it is
	Source  string
	Topic   string
	Group   string
	N       int    // records to the end of the source
	Counter string // the file where acknowledgements are counted
}

func (c copyTask) String() string {
	text, err := json.Marshal(c)
	if err != nil {
		panic(err) // strings and a number
	}
	return string(text)
}

// sessionTimeout is how long the group waits for a dead member, and the least that
// brokers allow by themselves.
const sessionTimeout = 6 * time.Second

// serveCopy is the other process. It copies to the end, or until its input ends,
// which it does when its parent ends, however that happens.
func serveCopy(what string, in io.Reader) error {
	var task copyTask
	if err := json.Unmarshal([]byte(what), &task); err != nil {
		return err
	}
	count, err := openCounter(task.Counter)
	if err != nil {
		return err
	}
	defer count.close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, in)
		cancel()
	}()
	t := &trial{
		n: task.N, load: standardLoad(task.Kind, 100), kind: task.Kind, addrs: task.Addrs,
		source: task.Source, topic: task.Topic, group: task.Group,
	}
	switch task.Copier {
	case copierByHand:
		return copyUntilKilled(ctx, t, count)
	case copierOurs:
		return oursUntilKilled(ctx, t, count)
	default:
		return fmt.Errorf("no copier is called %q", task.Copier)
	}
}

func copyUntilKilled(ctx context.Context, t *trial, count *counter) error {
	opts := append(t.clientOptions(), t.asMember()...)
	cl, err := kgo.NewClient(append(opts, kgo.SessionTimeout(sessionTimeout), kgo.WithPools(&pools{}), kgo.WithHooks(count))...)
	if err != nil {
		return err
	}
	defer cl.Close()
	var got tally
	return copyOn(ctx, cl, t, 500*time.Millisecond, &got)
}

// A counter is a number in a file that is mapped into memory: what one process
// counts, another one can read, also when the first was killed. As a client's hook
// it counts acknowledged records.
type counter struct {
	mapped []byte
	n      *atomic.Int64
}

var _ kgo.HookProduceRecordUnbuffered = (*counter)(nil)

// openCounter makes the file if it is not there.
func openCounter(path string) (*counter, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	defer file.Close() // the mapping stays
	size := int(unsafe.Sizeof(atomic.Int64{}))
	if err := file.Truncate(int64(size)); err != nil {
		return nil, err
	}
	mapped, err := mapShared(file, size)
	if err != nil {
		return nil, fmt.Errorf("mapping %s: %w", path, err)
	}
	return &counter{mapped: mapped, n: (*atomic.Int64)(unsafe.Pointer(&mapped[0]))}, nil
}

func (c *counter) load() int64 { return c.n.Load() }

func (c *counter) close() {
	if err := unmap(c.mapped); err != nil {
		panic(errors.Join(errors.New("unmapping what was mapped"), err))
	}
}

// OnProduceRecordUnbuffered is called right before a record's promise.
func (c *counter) OnProduceRecordUnbuffered(_ *kgo.Record, err error) {
	if err == nil {
		c.n.Add(1)
	}
}
