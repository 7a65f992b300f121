package broker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kgo"
)

// consoleTimeout is how long the console consumer waits for a record that does not come.
const consoleTimeout = 15 * time.Second

// The console consumer separates what it prints by text of our choice. These bytes are no part of
// any text that a test writes; a record that holds one of them cannot be read back with it.
const (
	fieldEnd  = "\x1f"
	lineEnd   = "\x1e"
	headerEnd = "\x1d"
	null      = "\x1c"
)

// formatter is the formatter's part of the console consumer's options, as a file: that option is
// the same in old and new distributions.
const formatter = `print.timestamp=true
print.partition=true
print.offset=true
print.headers=true
print.key=true
print.value=true
key.separator=\u001f
line.separator=\u001e
headers.separator=\u001d
null.literal=\u001c
`

// Line is a record as the distribution's console consumer printed it. Key, Value and the values of
// headers are nil when they were null.
type Line struct {
	Partition int32
	Offset    int64
	Timestamp time.Time
	Headers   []kgo.RecordHeader
	Key       []byte
	Value     []byte
}

// ConsoleConsume reads the first n records of the topic, those of open and aborted transactions
// left out, with the distribution's own console consumer: what the Java client makes of what we
// wrote. It stops at n, so it does not show that there are no more. Partitions come in any order.
// Without a distribution it skips the test and says so; it fails the test when fewer than n come in
// 15 s.
func (b *Broker) ConsoleConsume(t testing.TB, topic string, n int) []Line {
	t.Helper()
	if b.Tools == nil {
		t.Skip("no console consumer: no Kafka distribution with a Java runtime was found (KAFKA_HOME)")
	}
	lines, err := b.Tools.consume(t.Context(), t.TempDir(), b.Addrs, topic, n)
	require.NoError(t, err)
	return lines
}

func (d *Distribution) consume(ctx context.Context, dir string, addrs []string, topic string, n int) ([]Line, error) {
	config := filepath.Join(dir, "formatter.properties")
	if err := os.WriteFile(config, []byte(formatter), 0o600); err != nil {
		return nil, err
	}
	// The process needs a second or two to start, and a minute is a sign that it hangs.
	ctx, cancel := context.WithTimeout(ctx, consoleTimeout+time.Minute)
	defer cancel()
	cmd := d.command(ctx, dir, "kafka-console-consumer.sh",
		"--bootstrap-server", strings.Join(addrs, ","), "--topic", topic, "--from-beginning", "--max-messages", strconv.Itoa(n),
		"--timeout-ms", strconv.FormatInt(consoleTimeout.Milliseconds(), 10),
		"--isolation-level", "read_committed", "--formatter-config", config)
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("console consumer: %w:\n%s", err, stderrOf(err))
	}
	lines, err := parseLines(out)
	if err != nil {
		return nil, err
	}
	if len(lines) != n {
		return nil, fmt.Errorf("the console consumer read %d records of %s in %v, not %d", len(lines), topic, consoleTimeout, n)
	}
	return lines, nil
}

func stderrOf(err error) []byte {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.Stderr
	}
	return nil
}

// parseLines reads the console consumer's output: timestamp, partition, offset, headers, key,
// value.
func parseLines(out []byte) ([]Line, error) {
	var lines []Line
	for text := range bytes.SplitSeq(out, []byte(lineEnd)) {
		if len(text) == 0 {
			continue
		}
		l, err := parseLine(text)
		if err != nil {
			return nil, fmt.Errorf("console consumer: %w in %q", err, text)
		}
		lines = append(lines, l)
	}
	return lines, nil
}

func parseLine(text []byte) (Line, error) {
	fields := bytes.Split(text, []byte(fieldEnd))
	if len(fields) != 6 {
		return Line{}, fmt.Errorf("%d fields instead of 6", len(fields))
	}
	_, millis, found := bytes.Cut(fields[0], []byte(":")) // CreateTime: or LogAppendTime:
	if !found {
		return Line{}, errors.New("no timestamp")
	}
	timestamp, err := strconv.ParseInt(string(millis), 10, 64)
	if err != nil {
		return Line{}, err
	}
	partition, err := numberAfter(fields[1], "Partition:", 32)
	if err != nil {
		return Line{}, err
	}
	offset, err := numberAfter(fields[2], "Offset:", 64)
	if err != nil {
		return Line{}, err
	}
	headers, err := parseHeaders(fields[3])
	if err != nil {
		return Line{}, err
	}
	return Line{
		Partition: int32(partition), Offset: offset, Timestamp: time.UnixMilli(timestamp),
		Headers: headers, Key: unlessNull(fields[4]), Value: unlessNull(fields[5]),
	}, nil
}

func numberAfter(field []byte, name string, bits int) (int64, error) {
	digits, found := bytes.CutPrefix(field, []byte(name))
	if !found {
		return 0, fmt.Errorf("no %s", name)
	}
	return strconv.ParseInt(string(digits), 10, bits)
}

func parseHeaders(field []byte) ([]kgo.RecordHeader, error) {
	if string(field) == "NO_HEADERS" {
		return nil, nil
	}
	var headers []kgo.RecordHeader
	for pair := range bytes.SplitSeq(field, []byte(headerEnd)) {
		key, value, found := bytes.Cut(pair, []byte(":"))
		if !found {
			return nil, fmt.Errorf("no header in %q", pair)
		}
		headers = append(headers, kgo.RecordHeader{Key: string(key), Value: unlessNull(value)})
	}
	return headers, nil
}

// unlessNull gives nil for null and never nil for what is empty.
func unlessNull(field []byte) []byte {
	if string(field) == null {
		return nil
	}
	return append([]byte{}, field...)
}
