package broker

// sessionTimeouts are brokers' settings that let a group's sessions be short.
//
// A member of a group that was killed keeps its partitions until its session ends: 6 s at the least
// in classic groups and 45 s in those of KIP-848, with the brokers' defaults. Every broker started
// here allows, and where the broker decides it sets, short ones, so that tests of kills take
// seconds. In a classic group the client asks for its own session and has to ask for a short one.
func sessionTimeouts() [][2]string {
	return [][2]string{
		{"group.min.session.timeout.ms", "1000"},
		{"group.consumer.min.session.timeout.ms", "1000"},
		{"group.consumer.session.timeout.ms", "3000"},
		{"group.consumer.min.heartbeat.interval.ms", "200"},
		{"group.consumer.heartbeat.interval.ms", "500"},
		{"group.share.min.session.timeout.ms", "1000"},
		{"group.share.session.timeout.ms", "3000"},
		{"group.share.min.heartbeat.interval.ms", "200"},
		{"group.share.heartbeat.interval.ms", "500"},
	}
}
