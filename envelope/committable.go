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
// It says that the whole record is done, however many elements were made of it
// and handed to whomever: who calls it has to know that all of them are. A
// committing stage does not call it on a consumer's offsets, but finishes one
// element at a time; on any other Committable it does, once for each element.
// So a user calls it only for elements that were handed out of the stream.
type Committable interface {
	Commit()
}
