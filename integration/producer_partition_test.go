package integration

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/envelope"
	"github.com/vicuna-go/vicuna/producer"
	"github.com/vicuna-go/vicuna/stream"
)

// A partition that a record names is where it goes, whatever its key, beside records that name
// none.
func TestProducerExplicitPartitions(t *testing.T) {
	const partitions, n = 5, 2000
	topic := kafka.CreateTopic(t, partitions)
	recs := mixed(topic, n)
	for i, rec := range recs {
		if i%2 == 0 {
			rec.Partition = envelope.ToPartition(int32(i % partitions))
		}
	}
	require.NoError(t, stream.FromSlice(recs).To(producer.PlainSink(producing(t))).Run(t.Context()))
	log := readAll(t, topic)
	checkLog(t, recs, log)
	for _, got := range log {
		i, err := numberOf(got)
		require.NoError(t, err)
		if i%2 == 0 {
			require.EqualValues(t, i%partitions, got.Partition, "record %d", i)
		}
	}
}

// A partition that the topic does not have is a fault of that record alone.
func TestProducerPartitionOutOfRange(t *testing.T) {
	topic := kafka.CreateTopic(t, 2)
	e, err := producer.NewElement(producing(t))
	require.NoError(t, err)
	defer func() { require.NoError(t, e.Close(t.Context())) }()
	rec := envelope.New(topic, "key", "value")
	rec.Partition = envelope.ToPartition(2)
	_, err = e.Send(t.Context(), rec)
	var failed *producer.RecordError
	require.ErrorAs(t, err, &failed)
	require.EqualValues(t, 2, failed.Partition)
	_, err = e.Send(t.Context(), envelope.New(topic, "key", "value"))
	require.NoError(t, err)
}

// Keys go where the Java client's default partitioner sends them.
func TestProducerKeysAsJava(t *testing.T) {
	if kafka.Tools == nil {
		t.Skip("no console producer: no Kafka distribution with a Java runtime was found (KAFKA_HOME)")
	}
	const partitions = 17
	keys := []string{"ключ", "鍵", "k"}
	for i := range 300 {
		keys = append(keys, fmt.Sprintf("%d-%s", i, strings.Repeat("k", i%40)))
	}
	java, ours := kafka.CreateTopic(t, partitions), kafka.CreateTopic(t, partitions)
	consoleProduce(t, java, keys)
	recs := make([]*record, len(keys))
	for i, key := range keys {
		recs[i] = envelope.New(ours, key, "value")
	}
	require.NoError(t, stream.FromSlice(recs).To(producer.PlainSink(producing(t))).Run(t.Context()))
	require.Equal(t, partitionsOf(t, java), partitionsOf(t, ours))
}

func partitionsOf(t *testing.T, topic string) map[string]int32 {
	t.Helper()
	found := map[string]int32{}
	for _, rec := range readAll(t, topic) {
		found[string(rec.Key)] = rec.Partition
	}
	return found
}

// consoleProduce writes a record for each key with the distribution's console producer.
func consoleProduce(t *testing.T, topic string, keys []string) {
	t.Helper()
	dir := t.TempDir()
	config := filepath.Join(dir, "reader.properties")
	require.NoError(t, os.WriteFile(config, []byte("parse.key=true\nkey.separator==\n"), 0o600))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(kafka.Tools.Home, "bin", "kafka-console-producer.sh"),
		"--bootstrap-server", strings.Join(kafka.Addrs, ","), "--topic", topic, "--reader-config", config)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "LOG_DIR="+filepath.Join(dir, "logs"))
	cmd.Stdin = strings.NewReader(strings.Join(keys, "=value\n") + "=value\n")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
}
