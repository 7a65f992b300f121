package kafkatest

import (
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kversion"
)

// Version makes the cluster pretend to be an older Kafka, such as "2.8" or
// "0.11.0": it offers the requests of that release, in its versions, and refuses
// all others. A name that is none fails the test and lists those there are.
// Default: all that kfake knows, which is the newest Kafka.
//
// It is what a client can see of an old broker, and shows what a pipeline asks
// brokers for that they do not have. What an old broker did in another way behind
// the same requests is not played: mistakes of its time, the format of its log
// files, who assigns partitions.
func Version(release string) Option { return func(c *config) { c.version = release } }

// versions returns the option of kfake that plays a release, none for "".
func versions(t testing.TB, release string) []kfake.Opt {
	t.Helper()
	if release == "" {
		return nil
	}
	v := kversion.FromString(release)
	require.NotNil(t, v, "kafkatest: there is no Kafka %q; there are %v", release, kversion.VersionStrings())
	return []kfake.Opt{kfake.MaxVersions(v)}
}
