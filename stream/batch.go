package stream

import (
	"errors"
	"time"

	"github.com/vicuna-go/vicuna/internal/core"
)

// Batch collects elements into slices of count, or what there is when every has passed since the
// first of them; every 0 waits for count, and count 0 is no limit to the number. One of the two has
// to be given: without any the batch would take in the whole stream, and the graph is refused when
// it is started. The slice is the receiver's. A batch is finished, with all its offsets, when what
// was made of it is.
//
// A drain or a rebalance does not wait for count or time: the batch goes on as it is as soon as no
// more input is there. Of what it takes away, only what had begun before the batch (in a stage with
// effects) goes on with it; the rest is given back, and comes again with its partition. The end of
// a transaction leaves the batch as it is, but for elements whose records have outputs in the
// transaction already, in another branch: those go on at once, by themselves.
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
// the limit is a batch of its own. bytes 0 is no limit, and size may be nil then; bytes without
// size is refused as a batch without any limit is.
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
	switch {
	case count <= 0 && bytes <= 0 && every <= 0:
		src = refused(src, errBatchUnlimited)
	case bytes > 0 && size == nil:
		src = refused(src, errBatchSize)
	}
	return effect(src, "batch", &stageConfig{}, func(at core.At, info *core.StageInfo, st core.Stage[[]T]) core.Stage[T] {
		h := &batch[T]{push: st.Push, every: every, size: size}
		h.Attach(at, h, min(max(count, 1), 1024))
		return core.Stage[T]{Push: func(v T) {
			at.Island.In(info)
			n := 0
			if bytes > 0 {
				if n = size(v); h.Len() > 0 && h.bytes+n > bytes {
					h.Flush()
				}
			}
			if every > 0 && h.Len() == 0 {
				h.since = time.Now()
			}
			h.Add(v)
			h.bytes += n
			if h.Len() == count || bytes > 0 && h.bytes >= bytes {
				h.Flush()
			}
		}, Done: func() {
			h.Flush()
			st.Done()
		}, Link: st.Link}
	})
}

// Why a batch is refused when its graph is built.
var (
	errBatchUnlimited = errors.New("vicuna: batch: neither count nor bytes nor every is given: it would take in the whole stream")
	errBatchSize      = errors.New("vicuna: batch: there is a limit to the bytes, and no function that tells an element's size")
)

type batch[T any] struct {
	core.Holder[T]
	push  func([]T)
	every time.Duration
	size  func(T) int
	bytes int
	since time.Time // the first element is there
}

// Flush implements core.Holding.
func (h *batch[T]) Flush() {
	h.bytes = 0
	h.Emit(h.push)
	if h.size == nil {
		return
	}
	for _, v := range h.Held() { // a transaction's end has let a part of it go on
		h.bytes += h.size(v)
	}
}

// Deadline implements core.Holding.
func (h *batch[T]) Deadline() time.Time {
	if h.every <= 0 {
		return time.Time{}
	}
	return h.since.Add(h.every)
}
