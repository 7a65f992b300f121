package broker

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
)

// Ports are taken from below the range from which systems take the ports of outgoing connections
// (32768 on Linux, 49152 elsewhere). From inside it, a client that dials a broker which is down
// could be given the broker's own port, connect to itself, and keep the broker from ever coming
// back.
const (
	lowestPort  = 20000
	highestPort = 32000
)

var errNoPorts = errors.New("no free ports")

// freePorts finds n different ports on loopback that nobody listens on. They are free when it
// returns; somebody may still be faster.
func freePorts(n int) ([]int, error) {
	var ports []int
	for tries := 0; len(ports) < n; tries++ {
		if tries > 200 {
			return nil, errNoPorts
		}
		port := lowestPort + rand.IntN(highestPort-lowestPort)
		l, err := net.Listen("tcp", loopback(port))
		if err != nil {
			continue
		}
		defer l.Close() // held until all are found, so that no port comes twice
		ports = append(ports, port)
	}
	return ports, nil
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
