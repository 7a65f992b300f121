// Package embedded gives a program a Kafka broker inside its own process: for demonstrations,
// examples, and trying things out without a server.
//
//	b, err := embedded.Open(embedded.Topics(4, "orders"))
//	if err != nil {
//		return err
//	}
//	defer b.Close()
//	ps := settings.NewProducer(serde.String(), serde.String(), b.Bootstrap())
//
// It is kfake, franz-go's own, as in package kafkatest, which is for tests and has faults,
// assertions and virtual time; this package has none of them, and depends on neither testing nor
// testify. It is no server for production: one process has all replicas, and what it writes is not
// flushed to the disk.
package embedded
