package stream

import (
	"time"

	"github.com/vicuna-go/vicuna/internal/core"
)

// Batch collects elements into slices of count, or what there is when every has passed since the
// first of them; every 0 waits for count. The slice is the receiver's. A batch is finished, with
// all its offsets, when what was made of it is.
//
// A drain, a rebalance or a transaction's commit does not wait for count or time: the batch goes on
// as it is as soon as no more input is there. Of what a drain or a rebalance takes away, only what
// had begun before the batch (in a stage with effects) goes on with it; the rest is given back, and
// comes again with its partition.
//
//   - Emits when: count is reached, or every has passed, or upstream completes, or the stream
//     hurries.
//   - Back-pressures when: downstream does.
//   - Completes when: upstream completes and the last batch has gone on.
//   - Fails when: never.
//   - Order: kept.
//   - Goroutines: none of its own; with every, one for it and what follows.
func Batch[T any](src Source[T], count int, every time.Duration) Source[[]T] {
	return BatchBytes(src, count, 0, nil, every)
}

// BatchBytes is [Batch] with a limit to the sum of the elements' sizes too. An element larger than
// the limit is a batch of its own. bytes 0 is no limit, and size may be nil then; count 0 is no
// limit to the number.
//
//   - Emits when: count is reached, or the next element would exceed bytes, or every has passed, or
//     upstream completes, or the stream hurries.
//   - Back-pressures when: downstream does.
//   - Completes when: upstream completes and the last batch has gone on.
//   - Fails when: size panics.
//   - Order: kept.
//   - Goroutines: none of its own; with every, one for it and what follows.
func BatchBytes[T any](src Source[T], count, bytes int, size func(T) int, every time.Duration) Source[[]T] {
	if every > 0 {
		src = src.Async()
	}
	return effect(src, "batch", &stageConfig{}, func(at core.At, info *core.StageInfo, st core.Stage[[]T]) core.Stage[T] {
		h := &batch[T]{isl: at.Island, push: st.Push, expanding: at.Island.TakeExpanding(), count: count, every: every}
		var deadline func() time.Time
		if every > 0 {
			deadline = h.deadline
		}
		at.KeepsUnbegun()
		at.Island.AddFlusher(h.flush, deadline)
		return core.Stage[T]{Push: func(v T) {
			at.Island.In(info)
			n := 0
			if bytes > 0 && size != nil {
				if n = size(v); len(h.items) > 0 && h.bytes+n > bytes {
					h.emit()
				}
			}
			h.keep(v, n)
			if len(h.items) == count || bytes > 0 && h.bytes >= bytes {
				h.emit()
			}
		}, Done: func() {
			h.emit()
			st.Done()
		}, Link: st.Link}
	})
}

type batch[T any] struct {
	isl       *core.Island
	push      func([]T)
	expanding bool
	count     int
	every     time.Duration

	items []T
	held  core.Held
	bytes int
	since time.Time
}

func (h *batch[T]) keep(v T, bytes int) {
	if len(h.items) == 0 {
		if h.every > 0 {
			h.since = time.Now()
		}
		h.items = make([]T, 0, min(max(h.count, 1), 1024))
	}
	h.held.Keep(h.isl)
	h.items = append(h.items, v)
	h.bytes += bytes
}

func (h *batch[T]) deadline() time.Time {
	if len(h.items) == 0 {
		return time.Time{}
	}
	return h.since.Add(h.every)
}

// only returns the items that are kept; kept nil is all of them.
func only[T any](items []T, kept func(i int) bool) []T {
	if kept == nil {
		return items
	}
	left := items[:0]
	for i, v := range items {
		if kept(i) {
			left = append(left, v)
		}
	}
	clear(items[len(left):])
	return left
}

// flush emits what is there, under hurry (no time given) or when its time has come. What a drain or
// a revoke gives back is left out.
func (h *batch[T]) flush(now time.Time) {
	if len(h.items) > 0 && (now.IsZero() || h.every > 0 && !now.Before(h.deadline())) {
		h.emit()
	}
}

func (h *batch[T]) emit() {
	if len(h.items) == 0 {
		return
	}
	items := h.items
	h.items, h.bytes = nil, 0
	em := h.held.Emit(h.isl)
	items = only(items, em.Kept)
	if em.Empty {
		return
	}
	outer := h.isl.Enter(em.Token, h.expanding)
	h.push(items)
	h.isl.Leave(outer)
}
