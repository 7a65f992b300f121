// Package integration runs vicuna on a real Kafka. It is a module of its own, so that what it needs never reaches a user of the library;
// `make integration` runs it, and package [github.com/vicuna-go/vicuna/integration/broker] says on which broker.
//
// There is one file for each package of the library that is tested here (producer_test.go for producer, and so on); smoke_test.go
// tests the ground that they stand on, with the plain client alone.
package integration
