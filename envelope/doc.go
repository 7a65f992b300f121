// Package envelope holds what travels between a pipeline and Kafka: the typed
// [Record], the [Envelope] that carries records to a producer stage together
// with a value of the user's own, the [Results] that come back, and
// [Committable], the offset that an element may carry.
//
// Envelope and Results are sealed interfaces with three forms each, so a type
// switch over them is complete:
//
//	switch r := res.(type) {
//	case *envelope.Result[K, V, P]:            // from a *Message: one record, its metadata
//	case *envelope.MultiResult[K, V, P]:       // from a *MultiMessage: one part for each record
//	case *envelope.PassThroughResult[K, V, P]: // from a *PassThroughMessage: nothing was sent
//	}
//
// The pass-through value P belongs to the user: an offset, a request id, a
// reply channel. It is never looked at, only handed on from an envelope to its
// results. [None] stands for "nothing".
//
// # Zero values
//
// The zero value of each optional field of a Record means unset: a literal
// Record{Topic: "t", Value: v} has no key, no explicit partition (the
// partitioner chooses), no headers, and gets its timestamp when it is sent.
// Null on the wire is always explicit: an unset key is a null key, and
// [Record.Tombstone] is a null value. No Go zero value turns into null or into
// partition 0 by accident.
//
// # Imports
//
// Of Kafka's client this package knows one name, the record header. It imports
// no other package of this module.
package envelope
