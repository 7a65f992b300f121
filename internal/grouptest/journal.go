package grouptest

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vicuna-go/vicuna/kafkatest"
)

// Journal is what the broker saw, in the order in which it saw it: the commits for the world's
// topic, of whichever group; what else the members of the world's group have asked of it; and the
// outputs of topics that somebody wants to know of ([World.Outputs]).
//
// It is written on the cluster's own goroutine, after what was handled before: an output that is in
// it when a commit comes was appended before that commit. A request is in it whatever it is
// answered, except where a control function answers it.
type Journal struct {
	topic, group string // written by newJournal
	answers      bool   // of keep: the cluster's answers are observed; that outlasts a restart

	mu       sync.Mutex
	id       [16]byte // the topic's; newer clients name only this. Zero: it is not there yet.
	commits  []Commit
	requests []Request
	guarded  []*Deliveries
	changed  chan struct{} // closed and made anew at each commit
	// a request is shown again for each of its partitions
	seen     map[*kmsg.OffsetCommitRequest]int
	last     map[kmsg.Key]kmsg.Request           // the same of other kinds, which are not kept
	produced map[string]func(rec *kmsg.Record)   // by topic
	ids      map[[16]byte]func(rec *kmsg.Record) // the same
}

// Commit is one partition of a request to commit.
type Commit struct {
	Group, Member string
	Partition     int32
	Offset        int64
	Metadata      string
	Request       int // its number, from 1
	At            time.Time
	// Answer is nil until the broker has answered, and stays so where it never does.
	Answer *CommitAnswer
}

// CommitAnswer is what the broker answers to a [Commit]; nil: it is done.
type CommitAnswer struct{ Err error }

func (c Commit) String() string {
	return fmt.Sprintf("%s %d@%d", c.Member, c.Partition, c.Offset)
}

// Request is a request of a member of the world's group.
type Request struct {
	Key    kmsg.Key
	Member string
	At     time.Time
}

func newJournal(topic, group string) *Journal {
	return &Journal{
		topic: topic, group: group, changed: make(chan struct{}),
		seen: map[*kmsg.OffsetCommitRequest]int{}, last: map[kmsg.Key]kmsg.Request{},
		produced: map[string]func(*kmsg.Record){}, ids: map[[16]byte]func(*kmsg.Record){},
	}
}

// keep begins to observe a cluster.
func (j *Journal) keep(k *kafkatest.Broker) {
	if info := k.Cluster().TopicInfo(j.topic); info != nil {
		j.id = info.TopicID
	}
	observe := func(group string, see func(kmsg.Request), keys ...kmsg.Key) kfake.Fault {
		return kfake.Fault{Keys: keys, Group: group, Observe: true, Count: -1, When: func(r kmsg.Request) bool {
			j.mu.Lock()
			defer j.mu.Unlock()
			see(r)
			return true
		}}
	}
	if !j.answers {
		j.answers = true
		k.OnAnswer(j.answered, kmsg.OffsetCommit)
	}
	k.Fault(
		observe("", j.committed, kmsg.OffsetCommit),
		observe(j.group, j.asked, kmsg.JoinGroup, kmsg.SyncGroup, kmsg.Heartbeat, kmsg.LeaveGroup, kmsg.ConsumerGroupHeartbeat),
		observe("", j.appended, kmsg.Produce),
	)
}

// first reports whether a request is seen for the first time.
func (j *Journal) first(r kmsg.Request) bool {
	key := kmsg.Key(r.Key())
	if j.last[key] == r {
		return false
	}
	j.last[key] = r
	return true
}

func (j *Journal) committed(r kmsg.Request) {
	req := r.(*kmsg.OffsetCommitRequest)
	if j.seen[req] > 0 {
		return
	}
	j.seen[req] = len(j.seen) + 1
	for _, rt := range req.Topics {
		if rt.Topic != j.topic && (rt.Topic != "" || rt.TopicID != j.id && j.id != [16]byte{}) {
			continue
		}
		for _, rp := range rt.Partitions {
			c := Commit{Group: req.Group, Member: req.MemberID, Partition: rp.Partition, Offset: rp.Offset, Request: len(j.seen), At: time.Now()}
			if rp.Metadata != nil {
				c.Metadata = *rp.Metadata
			}
			j.commits = append(j.commits, c)
			for _, d := range j.guarded {
				d.committed(c)
			}
		}
	}
	close(j.changed)
	j.changed = make(chan struct{})
}

// answered notes what became of commits, which are the first of their content that have no answer
// yet.
func (j *Journal) answered(a kafkatest.Answer) bool {
	req, resp := a.Request.(*kmsg.OffsetCommitRequest), a.Response.(*kmsg.OffsetCommitResponse)
	j.mu.Lock()
	defer j.mu.Unlock()
	for i, rt := range resp.Topics {
		if rt.Topic != j.topic && (rt.Topic != "" || rt.TopicID != j.id && j.id != [16]byte{}) {
			continue
		}
		for k, rp := range rt.Partitions {
			asked := req.Topics[i].Partitions[k]
			at := slices.IndexFunc(j.commits, func(c Commit) bool {
				return c.Answer == nil && c.Group == req.Group && c.Member == req.MemberID && c.Partition == asked.Partition && c.Offset == asked.Offset
			})
			if at >= 0 {
				j.commits[at].Answer = &CommitAnswer{kerr.ErrorForCode(rp.ErrorCode)}
			}
		}
	}
	return true
}

func (j *Journal) asked(r kmsg.Request) {
	if !j.first(r) {
		return
	}
	q := Request{Key: kmsg.Key(r.Key()), At: time.Now()}
	switch r := r.(type) {
	case *kmsg.JoinGroupRequest:
		q.Member = r.MemberID
	case *kmsg.SyncGroupRequest:
		q.Member = r.MemberID
	case *kmsg.HeartbeatRequest:
		q.Member = r.MemberID
	case *kmsg.ConsumerGroupHeartbeatRequest:
		q.Member = r.MemberID
	case *kmsg.LeaveGroupRequest:
		for _, m := range r.Members {
			q.Member = m.MemberID
		}
	}
	j.requests = append(j.requests, q)
}

func (j *Journal) appended(r kmsg.Request) {
	if len(j.produced) == 0 || !j.first(r) {
		return
	}
	for _, rt := range r.(*kmsg.ProduceRequest).Topics {
		see := j.produced[rt.Topic]
		if see == nil {
			see = j.ids[rt.TopicID]
		}
		if see == nil {
			continue
		}
		for i := range rt.Partitions {
			eachRecord(rt.Partitions[i].Records, see)
		}
	}
}

// eachRecord shows the records of an uncompressed batch.
func eachRecord(batch []byte, see func(*kmsg.Record)) {
	var b kmsg.RecordBatch
	if err := b.ReadFrom(batch); err != nil {
		panic(err)
	}
	for rest := b.Records; len(rest) > 0; {
		var rec kmsg.Record
		if err := rec.ReadFrom(rest); err != nil {
			panic(err)
		}
		_, size := binary.Varint(rest)
		rest = rest[size+int(rec.Length):]
		see(&rec)
	}
}

// Commits returns all commits.
func (j *Journal) Commits() []Commit {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.commits)
}

// CommitsOf returns those of a partition, of all after the first so many.
func (j *Journal) CommitsOf(p int32, after int) (cs []Commit) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, c := range j.commits[after:] {
		if c.Partition == p {
			cs = append(cs, c)
		}
	}
	return cs
}

// CommitRequests returns how many requests to commit there were, for whichever topics.
func (j *Journal) CommitRequests() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.seen)
}

// Requests returns the requests of these kinds, such as kmsg.JoinGroup and kmsg.LeaveGroup.
func (j *Journal) Requests(keys ...kmsg.Key) (qs []Request) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, q := range j.requests {
		if slices.Contains(keys, q.Key) {
			qs = append(qs, q)
		}
	}
	return qs
}

// AwaitCommit waits until a commit of at least this offset was seen, of a partition.
func (j *Journal) AwaitCommit(t testing.TB, p int32, offset int64) Commit {
	t.Helper()
	return j.await(t, offset, func(c Commit) bool { return c.Partition == p })
}

// AwaitAnyCommit waits until one was seen of whichever partition.
func (j *Journal) AwaitAnyCommit(t testing.TB, offset int64) Commit {
	t.Helper()
	return j.await(t, offset, func(Commit) bool { return true })
}

func (j *Journal) await(t testing.TB, offset int64, of func(Commit) bool) Commit {
	t.Helper()
	late := time.After(soon)
	for {
		j.mu.Lock()
		changed := j.changed
		i := slices.IndexFunc(j.commits, func(c Commit) bool { return c.Offset >= offset && of(c) })
		if i >= 0 {
			defer j.mu.Unlock()
			return j.commits[i]
		}
		j.mu.Unlock()
		select {
		case <-changed:
		case <-late:
			t.Fatalf("no commit at %d in %v; seen: %s", offset, soon, j.describe())
		}
	}
}

// RequireForward fails the test where a group's offset of a partition was set back.
func (j *Journal) RequireForward(t testing.TB) {
	t.Helper()
	require.Zero(t, backwards(j.Commits()), "offsets were set back: %s", j.describe())
}

// backwards counts the commits that set their group's offset back. One that was refused sets
// nothing, and of one without an answer nobody knows.
func backwards(commits []Commit) (n int) {
	type place struct {
		group     string
		partition int32
	}
	last := map[place]int64{}
	for _, c := range commits {
		if c.Answer == nil || c.Answer.Err != nil {
			continue
		}
		at := place{c.Group, c.Partition}
		if c.Offset < last[at] {
			n++
		}
		last[at] = c.Offset
	}
	return n
}

// described is how many commits a failure lists.
const described = 20

func (j *Journal) describe() string {
	commits := j.Commits()
	more := ""
	if n := len(commits) - described; n > 0 {
		commits, more = commits[n:], fmt.Sprintf("… (%d before) ", n)
	}
	return more + fmt.Sprint(commits)
}
