// Package kclient is the one place where a client of franz-go is made, and where
// what that client says is read: its settings, the errors of its records, whether
// it reaches a broker at all.
//
// franz-go by itself does two things with a broker that does not answer that
// nobody should meet in production: it says nothing, and it keeps records for
// ever. A client made here does neither.
//
//   - Nothing said: dialling is watched. When nothing has answered for
//     five seconds, a warning names the addresses ([Unreachable] tells it, too).
//   - Kept for ever: records are produced with a context from [Deadlines], not
//     with kgo.RecordDeliveryTimeout. That option does not do. It counts from the
//     record's own timestamp, so a record with an old one fails before it is ever
//     sent; and it is looked at only between requests, and not at all once a
//     record may have reached the broker: of a broker that dies with a request in
//     flight, the client waits for an answer without end. A context that ends,
//     together with AllowIdempotentProduceCancellation, ends all of these.
//     [Explain] makes a typed error of what the client then says.
//
// A consuming client ([NewConsumerClient]) commits nothing, moves no position by
// itself where the settings do not say so, and takes part in its group by the
// protocol they name.
//
// It imports settings and franz-go.
package kclient
