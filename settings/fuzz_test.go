package settings_test

import (
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/serde"
	"github.com/vicuna-go/vicuna/settings"
)

// Addresses come from environment variables and files: whatever they are, they are accepted as
// a list of host:port, or refused in lines that name the setting.
func FuzzBootstrap(f *testing.F) {
	for _, addr := range []string{
		"", "kafka-1", "kafka-1:9092", "[::1]:9092", "::1:9092", ":9092", "kafka-1:", "kafka-1:0", "kafka-1:65536", "kafka-1:9092,kafka-2:9092",
		" kafka-1:9092", "SASL_SSL://kafka-1:9092", "kafka-1:+1", "k\x00:1", "\xff:1",
	} {
		f.Add(addr)
	}
	f.Fuzz(func(t *testing.T, addr string) {
		err := settings.NewProducer(serde.String(), serde.String(), settings.Bootstrap(addr)).Err()
		if err != nil {
			for line := range strings.SplitSeq(err.Error(), "\n") {
				require.True(t, strings.HasPrefix(line, "vicuna: settings: Bootstrap (bootstrap.servers)"), "%q: %q", addr, line)
			}
			return
		}
		for one := range strings.SplitSeq(addr, ",") { // as in Java's property
			host, port, err := net.SplitHostPort(strings.TrimSpace(one))
			require.NoError(t, err, "%q was accepted", addr)
			require.NotEmpty(t, host, "%q was accepted", addr)
			_, err = strconv.ParseUint(port, 10, 16)
			require.NoError(t, err, "%q was accepted", addr)
		}
	})
}
