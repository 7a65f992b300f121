// Package serde turns typed keys and values into bytes and back.
//
// A [Serde] holds both directions, so that a consumer's and a producer's
// settings infer their types from one argument: [String], [Bytes], [Int64],
// [JSON], [None], and [Func] or [Of] for one's own.
//
// # Contract
//
// All of these hold for the serdes of this package and are asked of others:
//
//   - They are safe for concurrent use.
//   - They do not panic, whatever the bytes are: what cannot be read is an
//     error. (A panic of a user's own marshalling method is not caught here;
//     the stage that called it turns it into an error of the stream.)
//   - Null is not theirs: a record's null key or value is explicit in the
//     record, so a serializer is not called for null, and neither is a
//     deserializer. A result of no bytes is the empty byte string, never null,
//     and a deserializer reads empty input as such.
//   - What they give out does not change later. What they lend (see [Lender])
//     must not be changed by its owner until the record is acknowledged.
//   - Errors come as *[Error], which names the topic and the Go type. The data
//     itself is not in the error's text of this package.
//
// # Imports
//
// The standard library, and nothing else.
package serde
