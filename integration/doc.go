// Package integration runs vicuna on a real Kafka. It is a module of its own, so that what it needs
// never reaches a user of the library; `make integration` runs it, and package
// [github.com/vicuna-go/vicuna/integration/broker] says on which broker.
//
// There is one file for each package of the library that is tested here (producer_test.go for
// producer, and so on); smoke_test.go tests the ground that they stand on, with the plain client
// alone.
//
// The copy_ tests run consumers that produce, in processes of their own (package worker) which are
// killed and restarted while they copy. What comes of it is judged by package verify. Each prints
// its seed; VICUNA_SEED=seed runs one again with the same input and the same order of kills. The
// logs of the workers are kept when a test fails.
//
// The service_ tests run workers of another kind: what they call for each order is slow and fails
// now and then. They are stopped and started again, and joined by others, under load, in all four
// protocols, and nothing may be lost or doubled, no order of a key be newly overtaken, no end and
// no join take long. A kill may double what was in flight.
package integration
