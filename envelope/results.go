package envelope

// Results is what a producer flow gives for one [Envelope]. It is one of three,
// each made from the envelope's form:
//
//   - *[Result] from a *[Message],
//   - *[MultiResult] from a *[MultiMessage],
//   - *[PassThroughResult] from a *[PassThroughMessage].
type Results[K, V, P any] interface {
	// Pass returns the envelope's pass-through value.
	Pass() P
	// Failed returns why the envelope was not sent, nil where it was. A
	// failure only comes as a result where the stage's error policy skips
	// failed elements; else it ends the stream.
	Failed() error

	sealed(K, V)
}

// Result is the outcome of one record.
type Result[K, V, P any] struct {
	// Record points into the envelope, as a Part's does.
	Record *Record[K, V]
	// Metadata is where the record went. Of no meaning where Err is set.
	Metadata Metadata
	// PassThrough is the envelope's.
	PassThrough P
	// Err is why the record was not acknowledged; nil where it was. The
	// record may have been written all the same, where the outcome is
	// unknown.
	Err error
}

// Part is the outcome of one record of a [MultiMessage].
type Part[K, V any] struct {
	// Record points into the envelope's Records.
	Record *Record[K, V]
	// Metadata is where the record went. Of no meaning where Err is set.
	Metadata Metadata
	// Err is why this record was not acknowledged; nil where it was.
	Err error
}

// MultiResult is the outcome of the records of one [MultiMessage].
type MultiResult[K, V, P any] struct {
	// Parts are in the order of the envelope's Records, one for each.
	Parts []Part[K, V]
	// PassThrough is the envelope's.
	PassThrough P
	// Err joins the errors of the parts; nil where all were acknowledged.
	Err error
}

// PassThroughResult is what a [PassThroughMessage] becomes. It has not failed.
type PassThroughResult[K, V, P any] struct {
	// PassThrough is the envelope's.
	PassThrough P
}

// Pass returns the envelope's pass-through value.
func (r *Result[K, V, P]) Pass() P { return r.PassThrough }

// Pass returns the envelope's pass-through value.
func (r *MultiResult[K, V, P]) Pass() P { return r.PassThrough }

// Pass returns the envelope's pass-through value.
func (r *PassThroughResult[K, V, P]) Pass() P { return r.PassThrough }

// Failed returns Err.
func (r *Result[K, V, P]) Failed() error { return r.Err }

// Failed returns Err.
func (r *MultiResult[K, V, P]) Failed() error { return r.Err }

// Failed returns nil: nothing was sent.
func (r *PassThroughResult[K, V, P]) Failed() error { return nil }

func (*Result[K, V, P]) sealed(K, V)            {}
func (*MultiResult[K, V, P]) sealed(K, V)       {}
func (*PassThroughResult[K, V, P]) sealed(K, V) {}
