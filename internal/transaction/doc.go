// Package transaction ends the transactions of one client by hand: with a commit of exactly the
// offsets that its owner names, a cut, and not of everything that was polled.
//
// franz-go's GroupTransactSession commits everything that was polled, aborts after each rebalance,
// also one that took nothing away, and swallows callbacks. So the client's own BeginTransaction and
// EndTransaction are used, and the offsets are put into the transaction past the client: a
// TxnOffsetCommit with the client's own member id, generation and instance id, which is what fences
// them (KIP-447).
//
// The goal is that an [Outcome] is always true. What holds:
//
//  1. A transaction is committed only after every record that was given to the client has been
//     acknowledged, and after the group has taken all of the cut's offsets into the transaction.
//     Else it is aborted, and no commit was ever asked for.
//  2. Whatever comes back from a request to commit other than its success is a doubt, and is never
//     taken for an abort: the client itself repeats the request where a connection breaks, so that
//     even a refusal may be the answer to the repetition of what was carried out. A doubt is
//     resolved by the group's offsets. The coordinator does not tell them (RequireStable) while the
//     transaction is open, and once it does, they are at the cut, or where they were before. Who
//     asks has made sure before that it ends: a new epoch ends whatever is open of an older one.
//  3. The context of a request that ends a transaction ends with a deadline of its own and with
//     nothing else, so no shutdown makes a doubt.
//  4. A client with which it is not certain that the next transaction begins with nothing of the
//     last is not used again: the outcome says so.
//
// The versions of a TxnOffsetCommit follow the finalised feature transaction.version. Below 2 the
// group is added with AddOffsetsToTxn, and the offsets go in version 4 at most, also to brokers
// that offer more; from 2 on version 5 adds the group by itself. The client pins versions for its
// own requests alone. A second client with capped versions would be a second connection to each
// coordinator with the user's TLS, SASL and dialer; capping the versions of the one client takes a
// look at the features before it is made, and holds it to the old protocol for its life. What is
// sent to a broker by its id, however, goes through no more of the client than the negotiation,
// which asks the request for its newest version: so a request that answers with its cap
// ([pinned]) is pinned by itself.
//
// One owner calls it, one call at a time. It starts no goroutines.
package transaction
