// Package memory bounds what a run of a consumer holds, and uses it again where the user allows
// that.
//
//   - [Budget] counts what was fetched and is not finished, against the user's limits.
//   - [Lease] is what several deliveries hold together, and [Charges] what each delivery of an
//     assignment holds: they are told by the tracker which positions are not outstanding any more
//     (tracker.Observer), and give back what nobody holds.
//   - [FetchSize] learns how much larger records become in memory than they were in a response, and
//     says how much a fetch may bring.
//   - [Lot] and [Pools] are memory that is used again.
//
// The package knows neither the engine nor the tracker.
package memory
