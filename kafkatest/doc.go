// Package kafkatest gives a test a Kafka broker of its own, inside the test's
// process, with faults, assertions and the parts that consumers and producer stages make.
//
//	func TestBilling(t *testing.T) {
//		k := kafkatest.Start(t, kafkatest.Topics(4, "orders", "invoices"))
//		kafkatest.Produce(t, k, "orders", kgo.KeyStringRecord("nr-1", `{"total":3}`))
//		ctl, err := billing(k.Bootstrap(), k.Dialer()).Start(t.Context())
//		require.NoError(t, err)
//		got := kafkatest.Expect(t, k, "invoices", serde.String(), serde.JSON[Invoice](), 1)
//		…
//	}
//
// The broker is kfake, franz-go's own: a cluster that speaks the real protocol,
// groups, transactions and all, and starts in milliseconds. What it cannot show
// belongs on a real Kafka: replication, transaction markers that lag, brokers
// that work in parallel.
//
// # Two networks
//
// [Start] listens on loopback TCP, in real time. [Virtual] runs the test in a
// testing/synctest bubble, on a network in memory: time stands still while
// anything is running and jumps when everything waits, so a linger of ten
// seconds, a session timeout or a rebalance costs no time and happens the same
// way in every run. It needs the build tag synctests (see Virtual). Both networks
// have the same faults.
//
// # Faults
//
// From the outside in: [Broker.Refuse] and [Broker.DropConnections] (the
// network), [Broker.Kill] and [Broker.Restart] (the process), [Broker.Delay]
// (slow answers), [Broker.HoldAcks] (acknowledgements that do not come),
// [Broker.Fault] (errors in answers). All are safe for concurrent use.
//
// # Assertions
//
// [Expect], [ReadAll] and [CommittedOffset] read with plain clients that share
// nothing with the code under test. They wait for what is to come, in a bounded
// time, and fail the test with a list of what they saw.
//
// # Imports
//
// Envelope, serde, settings and consumer of this module, kfake and testify. Nothing
// but tests should import this package.
package kafkatest
