package envelope

// Carrier is an element that knows the offset that it was made of, for a committing stage that
// takes elements of any type (consumer.CommitterSinkOf). A type needs it only where the offset lies
// in no exported field:
//
//	type priced struct {
//		invoice Invoice
//		offset  envelope.Committable
//	}
//
//	func (p *priced) Committable() envelope.Committable { return p.offset }
type Carrier interface {
	// Committable returns the element's offset; nil where it has none. It is called once for each
	// element, and must not wait.
	Committable() Committable
}
