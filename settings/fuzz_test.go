package settings_test

import (
	"net"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"

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

// Whatever the parts of a transactional id are, they can be read from it again: so no two sessions
// share one. And whatever a prefix is, its ids are taken by the client, or it is refused in lines
// that name the setting.
func FuzzTransactionalIDs(f *testing.F) {
	for _, prefix := range []string{"a", "a-1", "a:1", "", "\xff", "\x00", "a b", ":", "%"} {
		f.Add(prefix, "1-2", 0)
		f.Add(prefix, "1:2", -1)
		f.Add(prefix, "%3A\xff", 999)
	}
	f.Fuzz(func(t *testing.T, prefix, instance string, session int) {
		tx := settings.NewTransaction(settings.IDPrefix(prefix), settings.Sessions(1000))
		id := tx.ID(instance, session)

		at := strings.LastIndexByte(id, ':')
		require.Equal(t, strconv.Itoa(session), id[at+1:])
		id = id[:at]
		at = strings.LastIndexByte(id, ':')
		got, err := url.QueryUnescape(id[at+1:])
		require.NoError(t, err)
		require.Equal(t, instance, got)
		require.Equal(t, prefix, id[:at])

		if err := tx.Err(); err != nil {
			for line := range strings.SplitSeq(err.Error(), "\n") {
				require.True(t, strings.HasPrefix(line, "vicuna: settings: IDPrefix (transactional.id)"), "%q: %q", prefix, line)
			}
			return
		}
		require.True(t, utf8.ValidString(prefix))
		require.NoError(t, kgo.ValidateOpts(kgo.TransactionalID(tx.ID(strings.Repeat("x", 249), 999))), "%q was accepted", prefix)
	})
}
