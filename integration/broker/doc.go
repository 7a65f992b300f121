// Package broker gives the integration suite a Kafka to run on, and says which one it is.
//
// It looks in this order and takes the first that is there:
//
//  1. KAFKA_BOOTSTRAP_SERVERS: a broker that runs already. It is used as it is and never stopped.
//  2. KAFKA_HOME, else a distribution in ../shared/kafka beside the repository: one node is
//     formatted and started on free loopback ports with its data in a temporary folder, and stopped
//     by its own process id.
//  3. Docker, when it answers: one node through testcontainers-go.
//  4. The embedded broker (kfake) in a process of its own.
//
// What was asked for by name (1, and KAFKA_HOME in 2) and does not work is an error, never a reason
// to go on to the next: a suite that silently ran somewhere else would prove nothing.
//
// VICUNA_BROKER=docker (or environment, distribution, embedded) looks there alone, and is an error
// where that place has none. VICUNA_KAFKA_IMAGE is another image for Docker, one of
// confluent-local: testcontainers-go starts it with scripts of Confluent's, which apache/kafka
// lacks.
//
// Every package that uses it calls [Main] from its TestMain. It may import franz-go, testify,
// goleak and testcontainers-go; the library itself is not needed here.
package broker
