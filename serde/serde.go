package serde

// Serializer turns a T into bytes.
type Serializer[T any] interface {
	// Append appends v's bytes to dst, as the built-in append does, and
	// returns the longer slice. Many records share one buffer in this way.
	// Topic is where the record goes; formats that depend on it (a schema
	// registry) need it, others ignore it.
	//
	// With an error the returned slice means nothing: the caller goes on
	// with its own dst, whose first len(dst) bytes are untouched. Append
	// must not keep dst.
	Append(dst []byte, topic string, v T) ([]byte, error)
}

// Lender is implemented by serializers of what is bytes already. A producer
// asks for it and, where it has it, copies nothing.
type Lender[T any] interface {
	// Borrow returns v's own bytes, the same that Append would append, and
	// true; or false where this v has to be serialised. The bytes are not
	// nil where true is returned.
	//
	// They stay v's: the borrower only reads them, and the lender must leave
	// them unchanged until the record is acknowledged.
	Borrow(v T) ([]byte, bool)
}

// Deserializer turns bytes into a T.
type Deserializer[T any] interface {
	// Deserialize reads a T from data. It is not called for null. Data may
	// be empty, and it is only valid while its record is: a result that
	// refers to it says so in its doc comment, as [Bytes] does.
	Deserialize(topic string, data []byte) (T, error)
}

// Serde is both directions of one format.
type Serde[T any] interface {
	Serializer[T]
	Deserializer[T]
}
