package consumer_test

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vicuna-go/vicuna/kafkatest"
)

// journal is what the broker saw, in the order in which it saw it: the copy's output and the
// group's commits. It is written on the cluster's own goroutine, behind what was handled before: an
// output that is in it when a commit comes was appended before that commit.
type journal struct {
	mu      sync.Mutex
	last    map[int16]kmsg.Request
	written map[string]int // outputs, by value
	// by the outputs' key: the numbers of their records, first deliveries only
	order   map[string][]int
	whole   map[int32]int64 // up to which offset of the input everything is in the output
	commits []seenCommit
	early   []seenCommit // of what was not in the output
}

// seenCommit is one partition of a commit request.
type seenCommit struct {
	member    string
	partition int32
	offset    int64
	at        time.Time
}

func (c seenCommit) String() string { return fmt.Sprintf("%s %d@%d", c.member, c.partition, c.offset) }

// keep begins to observe the broker. After a restart it has to be called again, on the same
// journal.
func (j *journal) keep(t *testing.T, k *kafkatest.Broker) {
	t.Helper()
	info := k.Cluster().TopicInfo(rollOut)
	require.NotNil(t, info)
	k.Fault(
		kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Observe: true, Count: -1, When: func(r kmsg.Request) bool {
			if !j.first(r) {
				return true
			}
			for _, rt := range r.(*kmsg.ProduceRequest).Topics {
				if rt.Topic == rollOut || rt.TopicID == info.TopicID {
					for i := range rt.Partitions {
						j.produced(rt.Partitions[i].Records)
					}
				}
			}
			return true
		}},
		kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Observe: true, Count: -1, When: func(r kmsg.Request) bool {
			req := r.(*kmsg.OffsetCommitRequest)
			if !j.first(r) {
				return true
			}
			for _, rt := range req.Topics {
				for _, p := range rt.Partitions {
					j.committed(seenCommit{req.MemberID, p.Partition, p.Offset, time.Now()})
				}
			}
			return true
		}},
	)
}

// first reports whether a request is seen for the first time: it is shown again for each of its
// partitions.
func (j *journal) first(r kmsg.Request) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.last[r.Key()] == r {
		return false
	}
	j.last[r.Key()] = r
	return true
}

func newJournal() *journal {
	return &journal{last: map[int16]kmsg.Request{}, written: map[string]int{}, order: map[string][]int{}, whole: map[int32]int64{}}
}

func (j *journal) produced(batch []byte) {
	var b kmsg.RecordBatch
	if err := b.ReadFrom(batch); err != nil {
		panic(err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	for rest := b.Records; len(rest) > 0; {
		var rec kmsg.Record
		if err := rec.ReadFrom(rest); err != nil {
			panic(err)
		}
		_, size := binary.Varint(rest)
		rest = rest[size+int(rec.Length):]
		value := string(rec.Value)
		if j.written[value]++; j.written[value] == 1 {
			number, _ := strconv.Atoi(strings.Split(value, "/")[1])
			j.order[string(rec.Key)] = append(j.order[string(rec.Key)], number)
		}
	}
}

func (j *journal) committed(c seenCommit) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.commits = append(j.commits, c)
	o := j.whole[c.partition]
	for ; o < c.offset; o++ {
		for p := range piecesOf(c.partition, o) {
			if p.wanted() && j.written[p.String()] == 0 {
				j.early = append(j.early, c)
				return
			}
		}
		j.whole[c.partition] = o + 1
	}
}

// verdict is what the journal says of a copy of so many records in each partition.
func (j *journal) verdict(sent map[int32]int64) (v verdict) {
	j.mu.Lock()
	defer j.mu.Unlock()
	v.early = len(j.early)
	for p, n := range sent {
		for o := range n {
			for piece := range piecesOf(p, o) {
				if !piece.wanted() {
					continue
				}
				v.pieces++
				if n := j.written[piece.String()]; n == 0 {
					v.lost++
				} else {
					v.doubled += n - 1
				}
			}
		}
	}
	for _, numbers := range j.order {
		for i := 1; i < len(numbers); i++ {
			if numbers[i] < numbers[i-1] {
				v.misordered++
			}
		}
	}
	last := map[int32]int64{}
	for _, c := range j.commits {
		if c.offset < last[c.partition] {
			v.backwards++
		}
		last[c.partition] = c.offset
	}
	v.commits = len(j.commits)
	return v
}

// verdict: pieces that there should be, that are not there, that are there too often, that came
// before one of an earlier record of their key; commits that came before what they cover, that went
// back.
type verdict struct{ pieces, lost, doubled, misordered, commits, early, backwards int }

func (v verdict) String() string {
	return fmt.Sprintf("%d pieces: lost %d, doubled %d, misordered %d; %d commits: early %d, backwards %d", v.pieces, v.lost, v.doubled, v.misordered, v.commits, v.early, v.backwards)
}
