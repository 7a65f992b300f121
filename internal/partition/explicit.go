// Package partition chooses the partition of a record: the record's own where it
// names one, else what a kgo.Partitioner says.
//
// A record of package envelope may name its partition or leave it to the
// partitioner, from one record to the next. franz-go has partitioners for each of
// the two and none for both, and its default ignores the record's partition
// without a word. Hence this one, which stands before any other.
package partition

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Unset is the Partition of a kgo.Record that names none. The zero value will not
// do: it is partition 0.
const Unset int32 = -1

// Default returns ExplicitFirst over what the Java client does: murmur2 of the
// key where there is one, else a partition that is kept until 64 KiB have gone to
// it and then chosen anew, the less backed up the likelier (KIP-794).
func Default() kgo.Partitioner {
	return ExplicitFirst(kgo.UniformBytesPartitioner(64<<10, true, true, nil))
}

// ExplicitFirst returns a partitioner that takes a record's own partition where
// it is not negative and asks inner otherwise. What is one already is returned as
// it is.
//
// A panic of inner fails records instead of the process: franz-go may call a
// partitioner on a goroutine of its own. [Panic] tells it. What panics with a
// record fails that one; so does OnNewBatch, which the client calls because a
// record needs a new batch. A panic of ForTopic fails all records of its topic
// that name no partition, for as long as the client lives, which asks once.
func ExplicitFirst(inner kgo.Partitioner) kgo.Partitioner {
	if p, ok := inner.(*explicitFirst); ok {
		return p
	}
	return &explicitFirst{inner: inner}
}

// Honours returns whether p takes a record's own partition first, because
// ExplicitFirst made it.
func Honours(p kgo.Partitioner) bool {
	_, ok := p.(*explicitFirst)
	return ok
}

// Inner returns the partitioner behind an ExplicitFirst, else p itself.
func Inner(p kgo.Partitioner) kgo.Partitioner {
	if e, ok := p.(*explicitFirst); ok {
		return e.inner
	}
	return p
}

type explicitFirst struct{ inner kgo.Partitioner }

// ForTopic has to hide what inner's topic partitioner cannot do: franz-go looks
// at the optional interfaces, and calls Partition only where PartitionByBackup is
// missing.
func (p *explicitFirst) ForTopic(topic string) kgo.TopicPartitioner {
	t := &topicPartitioner{inner: p.forTopic(topic)}
	backup, byBackup := t.inner.(kgo.TopicBackupPartitioner)
	batch, onNewBatch := t.inner.(kgo.TopicPartitionerOnNewBatch)
	switch {
	case byBackup && onNewBatch:
		return &bothPartitioner{backupPartitioner{t, backup}, batchPartitioner{t, batch}}
	case byBackup:
		return &backupPartitioner{t, backup}
	case onNewBatch:
		return &batchPartitioner{t, batch}
	default:
		return t
	}
}

func (p *explicitFirst) forTopic(topic string) (t kgo.TopicPartitioner) {
	defer func() {
		if v := recover(); v != nil {
			t = broken{&PanicError{Value: v, Stack: debug.Stack()}}
		}
	}()
	return p.inner.ForTopic(topic)
}

// broken stands for a topic partitioner that could not be made.
type broken struct{ err *PanicError }

func (broken) RequiresConsistency(*kgo.Record) bool { return true }

func (b broken) Partition(r *kgo.Record, _ int) int {
	blame(r, b.err)
	return outOfRange
}

// topicPartitioner is used by one record at a time, which franz-go guarantees.
type topicPartitioner struct {
	inner kgo.TopicPartitioner
	// explicit is whether the last record named its partition. The end of
	// its batch is then none of inner's business: a sticky partitioner would
	// move on for it.
	explicit bool
	// unmoved is a panic of OnNewBatch. Its record has yet to fail: franz-go
	// asks for the partition again after OnNewBatch, with no other record
	// between.
	unmoved *PanicError
}

// stuck fails the record for which OnNewBatch panicked.
func (t *topicPartitioner) stuck(r *kgo.Record) bool {
	err := t.unmoved
	if err == nil {
		return false
	}
	t.unmoved = nil
	blame(r, err)
	return true
}

// RequiresConsistency is true for a record that names its partition: only then
// does franz-go index all partitions, and not those that can be written to now.
func (t *topicPartitioner) RequiresConsistency(r *kgo.Record) (consistent bool) {
	if r.Partition >= 0 {
		return true
	}
	defer caught(r, func() { consistent = true })
	return t.inner.RequiresConsistency(r)
}

// Partition may return an index out of range: franz-go fails such a record.
func (t *topicPartitioner) Partition(r *kgo.Record, n int) (pick int) {
	if lost(r) {
		return outOfRange
	}
	if t.explicit = r.Partition >= 0; t.explicit {
		return int(r.Partition)
	}
	if t.stuck(r) {
		return outOfRange
	}
	defer caught(r, func() { pick = outOfRange })
	return t.inner.Partition(r, n)
}

type backupPartitioner struct {
	*topicPartitioner
	backup kgo.TopicBackupPartitioner
}

func (t *backupPartitioner) PartitionByBackup(r *kgo.Record, n int, it kgo.TopicBackupIter) (pick int) {
	if lost(r) {
		return outOfRange
	}
	if t.explicit = r.Partition >= 0; t.explicit {
		return int(r.Partition)
	}
	if t.stuck(r) {
		return outOfRange
	}
	defer caught(r, func() { pick = outOfRange })
	return t.backup.PartitionByBackup(r, n, it)
}

type batchPartitioner struct {
	*topicPartitioner
	batch kgo.TopicPartitionerOnNewBatch
}

func (t *batchPartitioner) OnNewBatch() {
	if t.explicit {
		return
	}
	defer func() {
		if v := recover(); v != nil {
			t.unmoved = &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	t.batch.OnNewBatch()
}

type bothPartitioner struct {
	backupPartitioner
	batchPartitioner
}

// RequiresConsistency and Partition come with both halves and are the same one.
func (t *bothPartitioner) RequiresConsistency(r *kgo.Record) bool {
	return t.backupPartitioner.RequiresConsistency(r)
}

func (t *bothPartitioner) Partition(r *kgo.Record, n int) int {
	return t.backupPartitioner.Partition(r, n)
}

// outOfRange is what franz-go fails a record for.
const outOfRange = -1

// PanicError is a panic of a partitioner.
type PanicError struct {
	Value any
	Stack []byte
}

// Error returns the panic's value; the stack is in the field.
func (e *PanicError) Error() string { return fmt.Sprintf("partitioner panicked: %v", e.Value) }

// Unwrap returns the panic's value where it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

type panicKey struct{}

// caught stops a panic and blames it for the record's failure.
func caught(r *kgo.Record, choose func()) {
	v := recover()
	if v == nil {
		return
	}
	choose()
	blame(r, &PanicError{Value: v, Stack: debug.Stack()})
}

// blame leaves a panic in the record's context, the one place that reaches the
// promise: franz-go makes its error of the index alone.
func blame(r *kgo.Record, err *PanicError) {
	if r.Context != nil { // Produce sets it
		r.Context = context.WithValue(r.Context, panicKey{}, err)
	}
}

// Panic returns the panic that failed the record in its partitioner, else nil.
func Panic(r *kgo.Record) *PanicError {
	if r.Context == nil {
		return nil
	}
	p, _ := r.Context.Value(panicKey{}).(*PanicError)
	return p
}
