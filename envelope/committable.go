package envelope

// Committable is the position of a consumed element, which is committed when the
// work on it is done. It is an interface because producer stages carry it on
// without knowing of consumers.
//
// Commit marks the position as done. It is
//
//   - sticky and idempotent: the first call counts, more are harmless,
//   - bound to the position and not to the element: whoever holds a copy may
//     call it,
//   - never waiting: it only marks. The offset itself is committed later, by
//     the consumer, once all positions before it are done as well,
//   - safe from any goroutine, and harmless once the partition has gone to
//     somebody else: then it does nothing.
//
// Stages that finish elements themselves (a committing sink) call it; a user
// calls it only for elements that were handed out of the stream.
type Committable interface {
	Commit()
}
