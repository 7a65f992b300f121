package broker

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestJavaVersions(t *testing.T) {
	for out, want := range map[string]int{
		`openjdk version "17.0.15" 2025-04-15`:                                      17,
		`openjdk version "21" 2023-09-19`:                                           21,
		`java version "1.8.0_402"`:                                                  8,
		"Picked up JAVA_TOOL_OPTIONS: -Dx=1\nopenjdk version \"25.0.1\" 2025-10-21": 25,
	} {
		got, err := parseJavaVersion([]byte(out))
		require.NoError(t, err, out)
		require.Equal(t, want, got, out)
	}
	_, err := parseJavaVersion([]byte("no such thing"))
	require.Error(t, err)
}

func TestKafkaHomeThatIsNoneIsAnError(t *testing.T) {
	t.Setenv(homeVariable, t.TempDir())
	_, err := LocateDistribution(t.Context())
	require.ErrorIs(t, err, os.ErrNotExist)
	require.NotErrorIs(t, err, ErrAbsent, "what was asked for by name is passed over")
}

func TestKafkaHomeWithoutJavaIsAnError(t *testing.T) {
	t.Setenv(homeVariable, emptyDistribution(t, t.TempDir()))
	t.Setenv("JAVA_HOME", t.TempDir())
	_, err := LocateDistribution(t.Context())
	require.ErrorContains(t, err, "no Java runs here")
	require.NotErrorIs(t, err, ErrAbsent)
}

func TestKafkaHomeWithOldJavaIsAnError(t *testing.T) {
	t.Setenv(homeVariable, emptyDistribution(t, t.TempDir()))
	t.Setenv("JAVA_HOME", fakeJava(t, "1.8.0_402"))
	_, err := LocateDistribution(t.Context())
	require.ErrorContains(t, err, "Java 17 or newer, this is 8")
}

func TestDistributionBesideTheRepository(t *testing.T) {
	t.Setenv(homeVariable, "")
	t.Setenv("JAVA_HOME", fakeJava(t, "17.0.1"))
	top := t.TempDir()
	inside := filepath.Join(top, "checkout", "integration", "broker")
	require.NoError(t, os.MkdirAll(inside, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(top, "checkout", "go.mod"), []byte(libraryGoMod), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(top, "checkout", "integration", "go.mod"),
		[]byte("module github.com/vicuna-go/vicuna/integration\n"), 0o600))
	t.Chdir(inside)

	_, err := LocateDistribution(t.Context())
	require.ErrorIs(t, err, ErrAbsent, "nobody asked for it, so its absence is none of an error")

	home := emptyDistribution(t, filepath.Join(top, "shared", "kafka"))
	d, err := LocateDistribution(t.Context())
	require.NoError(t, err)
	require.False(t, d.Asked)
	want, err := filepath.EvalSymlinks(home)
	require.NoError(t, err)
	got, err := filepath.EvalSymlinks(d.Home)
	require.NoError(t, err)
	require.Equal(t, want, got)
}

func TestNodePropertiesStayOnLoopback(t *testing.T) {
	properties := nodeProperties("/data", 20001, 20002)
	require.Contains(t, properties, "listeners=PLAINTEXT://127.0.0.1:20001,CONTROLLER://127.0.0.1:20002\n")
	require.Contains(t, properties, "group.min.session.timeout.ms=1000\n", "tests of kills would wait 6 s for every member")
	seen := map[string]bool{}
	for line := range strings.Lines(properties) {
		name, _, found := strings.Cut(line, "=")
		require.True(t, found, line)
		require.False(t, seen[name], "%s is set twice", name)
		seen[name] = true
	}
}

func TestClusterIDsAreNoOptions(t *testing.T) {
	for range 1000 {
		id := clusterID()
		require.Len(t, id, 22)
		require.NotEqual(t, byte('-'), id[0])
	}
}

func TestFreePortsDiffer(t *testing.T) {
	ports, err := freePorts(20)
	require.NoError(t, err)
	seen := map[int]bool{}
	for _, p := range ports {
		require.False(t, seen[p], "port %d came twice", p)
		seen[p] = true
		require.Less(t, p, 32768, "a port from which outgoing connections are made")
	}
}

// emptyDistribution has the scripts' names and nothing in them.
func emptyDistribution(t *testing.T, home string) string {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Join(home, "bin"), 0o755))
	for _, name := range []string{"kafka-storage.sh", "kafka-server-start.sh", "kafka-console-consumer.sh"} {
		require.NoError(t, os.WriteFile(filepath.Join(home, "bin", name), nil, 0o700))
	}
	return home
}

// fakeJava is a JAVA_HOME whose java says the version and does no more.
func fakeJava(t *testing.T, version string) string {
	t.Helper()
	home := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(home, "bin"), 0o755))
	script := "#!/bin/sh\necho 'openjdk version \"" + version + "\"' >&2\n"
	require.NoError(t, os.WriteFile(filepath.Join(home, "bin", "java"), []byte(script), 0o700))
	return home
}
