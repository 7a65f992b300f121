// Command bench measures the library against loops written by hand with plain
// franz-go, as a careful user would write them at their best setting, and against
// other stream libraries where no Kafka takes part.
//
//	go run . [-only P1,P9] [-reps 5] [-quick] [-context=false] [-out results.json]
//	         [-cpuprofile DIR] [-memprofile DIR]
//
// # What is compared
//
// Both sides of a case run alternately (baseline, ours, baseline, ours, …,
// baseline) in one process on one broker, after a warm-up of each, with the same
// linger, batch size, acks, compression, idempotence and in-flight window, on a
// fresh topic each time and with a garbage collection before. The figures are
// medians. A ratio's spread is the smallest and the largest ratio of one of our
// runs to the mean of the two baseline runs around it. Its noise is half the
// spread of the baseline against itself: of each baseline run to the next one.
// A goal that is missed by less than the noise is met.
//
// A run's time contains everything from making the client to its last
// acknowledgement and its close, on both sides, joining a group among it. After
// each run the end offsets are read back, and a group's committed offsets: a run
// that lost or doubled a record is an error and no figure.
//
// What is read is stored before, once for a case, and read by both sides, each
// time by a group that nobody has used. Both fetch alike, with the limits that
// follow from the library's default budget.
//
// # Brokers
//
// With KAFKA_BOOTSTRAP_SERVERS the brokers named there are used, with KAFKA_HOME
// (an unpacked Kafka distribution) a node is formatted and started in a temporary
// folder on free loopback ports; both need no further set-up. Otherwise it is the
// embedded broker: in this process for throughput, and in a process of its own
// where allocations are counted or memory is measured. It validates and
// acknowledges what it gets, but keeps no records where nothing is read, so that
// its storage is not what is measured. P4's "synthetic" is on the embedded broker
// alone, P13 on a real one. P14's figures are virtual time: the tests of
// internal/service give them.
//
// # Results
//
// A table on standard output, and the same figures as JSON. A benchmark never
// fails on time: the exit status tells of errors alone.
package main
