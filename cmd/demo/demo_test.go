package main

import (
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vicuna-go/vicuna/kafkatest"
)

func TestEmbeddedBroker(t *testing.T) {
	said := newProgram(t, nil).result(t, 0)
	require.Contains(t, said, "orders.ndjson (built in)")
	require.Contains(t, said, "broker  embedded, at 127.0.0.1:")
	require.Contains(t, said, "1,000 lines read, 1,000 orders written (0 in flight), 1,000 copied, lag 0, ")
	require.Contains(t, said, "954 records of 954 due (46 committed orders are cancelled)")
	require.Contains(t, said, "1,000 of 1,000 orders, in 4 partitions")
	require.Contains(t, said, "verified: 1,000 lines, each order once, each invoice once, every offset committed")
	require.NotContains(t, said, "WRONG")
}

func TestBrokerOfTheEnvironment(t *testing.T) {
	k := kafkatest.Start(t, kafkatest.Brokers(2))
	input := file(t, strings.Repeat(`{"customer":"ada"}`+"\n", 10))
	said := newProgram(t, map[string]string{"KAFKA_BOOTSTRAP_SERVERS": strings.Join(k.Addrs(), ", "), "INPUT": input}).result(t, 0)
	require.Contains(t, said, "broker  "+k.Addrs()[0])
	require.Contains(t, said, "verified: 10 lines")

	cl, err := kgo.NewClient(k.ClientOptions()...)
	require.NoError(t, err)
	defer cl.Close()
	admin := kadm.NewClient(cl)
	topics, err := admin.ListTopics(t.Context())
	require.NoError(t, err)
	require.Empty(t, topics.Names(), "topics are left behind")
	groups, err := admin.ListGroups(t.Context())
	require.NoError(t, err)
	require.Empty(t, groups.Groups(), "a group is left behind")
}

func TestStandardInput(t *testing.T) {
	p := newProgram(t, nil, "-input", "-", "-key", "id")
	p.stdin = strings.NewReader("{\"id\":1}\n\n{\"id\":\"x\"}\n[2]")
	require.Contains(t, p.result(t, 0), "verified: 3 lines")
}

func TestArguments(t *testing.T) {
	require.Contains(t, newProgram(t, nil, "-help").result(t, 0), "usage: demo")
	require.Contains(t, newProgram(t, nil, "-rat", "1").result(t, 2), "not defined: -rat")
	require.Contains(t, newProgram(t, nil, "events.ndjson").result(t, 2), "events.ndjson")
}

func TestBadInput(t *testing.T) {
	bad := file(t, "{\"n\":1}\n\n{\"n\":2}\n{\"n\":\n{\"n\":4}\n")
	missing := filepath.Join(t.TempDir(), "none.ndjson")
	_, err := os.Open(missing) // in the system's words
	require.ErrorIs(t, err, fs.ErrNotExist)
	long := file(t, "{}\n{\"x\":\""+strings.Repeat("x", 2*maxLine)+"\"}\n")
	for name, c := range map[string]struct{ input, says string }{
		"missing":   {missing, err.Error()},
		"directory": {t.TempDir(), "is a directory"},
		"empty":     {file(t, ""), "has no records"},
		"blank":     {file(t, "\n \n\t\r\n"), "has no records"},
		"broken":    {bad, bad + ", line 4: not JSON: unexpected end of JSON input"},
		"too long":  {long, long + ", line 2: longer than 900000 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			said := newProgram(t, nil, "-input", c.input).result(t, 1)
			require.Contains(t, said, c.says)
			require.NotContains(t, said, "verified:")
		})
	}
}

// What was acknowledged before the broken line is told, and is not told as a success.
func TestBrokenLineBehindOthers(t *testing.T) {
	p := newProgram(t, nil, "-input", "-")
	in := p.lines(t)
	p.terminal = true // progress soon
	p.start()
	for range 10 {
		fmt.Fprintln(in, `{}`)
	}
	p.out.await(t, "10 orders written (0 in flight), 10 copied, lag 0")
	fmt.Fprintln(in, `{`)
	p.exits(t, 1)
	require.Contains(t, p.out.String(), "failed: 10 lines went in, 10 of them were acknowledged; 10 are copied and committed, 0 are left\nnothing was read back or verified")
	require.Contains(t, p.errs.String(), "standard input, line 11: not JSON")
}

func TestUnreachable(t *testing.T) {
	mute, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { mute.Close() })
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	closed.Close()
	for name, addr := range map[string]string{"refused": closed.Addr().String(), "mute": mute.Addr().String()} {
		t.Run(name, func(t *testing.T) {
			started := time.Now()
			said := newProgram(t, map[string]string{"KAFKA_BOOTSTRAP_SERVERS": addr}).result(t, 1)
			require.Contains(t, said, "no Kafka broker reached at "+addr)
			require.Less(t, time.Since(started), 15*time.Second)
		})
	}
	t.Run("no address", func(t *testing.T) {
		said := newProgram(t, map[string]string{"KAFKA_BOOTSTRAP_SERVERS": "kafka"}).result(t, 1)
		require.Contains(t, said, `Bootstrap (bootstrap.servers) = "kafka": missing port`)
	})
}

// A broker that acknowledges and stores nothing is found out: no order comes.
func TestNothingStored(t *testing.T) {
	k := kafkatest.Start(t, kafkatest.Cluster(kfake.BlackholeProduce()))
	p := newProgram(t, map[string]string{"KAFKA_BOOTSTRAP_SERVERS": k.Addrs()[0]})
	p.patience = time.Second
	said := p.result(t, 1)
	require.Contains(t, said, "no order was copied for 1s: 0 of 1,000 were")
	require.Contains(t, said, "1,000 of them were acknowledged; 0 are copied and committed, 1,000 are left")
	require.NotContains(t, said, "verified:")
}

// The second stream's failure ends the first, which would go on for nobody.
func TestCommitRefused(t *testing.T) {
	k := kafkatest.Start(t)
	k.Cluster().ControlKey(int16(kmsg.OffsetCommit), func(req kmsg.Request) (kmsg.Response, error, bool) {
		k.Cluster().KeepControl()
		resp := req.ResponseKind().(*kmsg.OffsetCommitResponse)
		for _, topic := range req.(*kmsg.OffsetCommitRequest).Topics {
			refused := kmsg.OffsetCommitResponseTopic{Topic: topic.Topic, TopicID: topic.TopicID}
			for _, p := range topic.Partitions {
				refused.Partitions = append(refused.Partitions, kmsg.OffsetCommitResponseTopicPartition{
					Partition: p.Partition, ErrorCode: kerr.TopicAuthorizationFailed.Code,
				})
			}
			resp.Topics = append(resp.Topics, refused)
		}
		return resp, nil, true
	})
	p := newProgram(t, map[string]string{"KAFKA_BOOTSTRAP_SERVERS": k.Addrs()[0]}, "-input", "-")
	in := p.lines(t)
	p.start()
	fmt.Fprintln(in, `{}`)
	p.exits(t, 1)
	said := p.out.String() + p.errs.String()
	require.Contains(t, said, "failed: 1 lines went in, 1 of them were acknowledged; 0 are copied and committed, 1 are left")
	require.Contains(t, said, "TOPIC_AUTHORIZATION_FAILED")
}

func TestProgress(t *testing.T) {
	t.Run("lines", func(t *testing.T) {
		said := newProgram(t, nil, "-rate", "800").result(t, 0)
		require.Contains(t, said, "records/s\n", "none came while it ran")
		require.Contains(t, said, "records/s on average\n")
		require.NotContains(t, said, "\r")
	})
	t.Run("terminal", func(t *testing.T) {
		p := newProgram(t, nil, "-rate", "2500")
		p.terminal = true
		said := p.result(t, 0)
		require.Contains(t, said, "records/s\x1b[K\r", "it is not written again")
		require.Contains(t, said, "records/s on average\x1b[K\n", "the line has no end")
	})
}

func file(t *testing.T, text string) string {
	name := filepath.Join(t.TempDir(), "input.ndjson")
	require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
	return name
}
