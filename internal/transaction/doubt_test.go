package transaction_test

import (
	"errors"
	"flag"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vicuna-go/vicuna/internal/grouptest"
	"github.com/vicuna-go/vicuna/internal/transaction"
	"github.com/vicuna-go/vicuna/kafkatest"
)

var seedFlag = flag.Uint64("transaction.seed", 0, "lose ends with this seed")

// lose makes n tries of a request get lost, the request itself or its answer: all of them one, or
// all the other, or each by chance. It returns how to stop that.
func (w *world) lose(rng *rand.Rand, n int, key kmsg.Key) (stop func()) {
	fate, rng := rng.IntN(3), rand.New(rand.NewPCG(rng.Uint64(), 0)) // the cluster's own
	var before, after, over atomic.Bool
	left := n
	lost := errors.New("the request is lost")
	// on the cluster's goroutine
	w.Cluster().ControlKey(key.Int16(), func(kmsg.Request) (kmsg.Response, error, bool) {
		if over.Load() || left == 0 {
			after.Store(false)
			return nil, nil, false
		}
		w.Cluster().KeepControl()
		left--
		before.Store(fate == 0 || fate == 2 && rng.IntN(2) == 0)
		after.Store(!before.Load())
		if before.Load() {
			return nil, lost, true
		}
		return nil, nil, false
	})
	done := w.OnAnswer(func(kafkatest.Answer) bool { return !after.Load() }, key)
	return func() {
		done()
		over.Store(true)
	}
}

// Whatever gets lost on the way to the end of a transaction and back, its outcome is what a careful
// reader sees.
func TestLostEnds(t *testing.T) {
	wanted := 250
	if !grouptest.Virtual {
		wanted = 5
	}
	each(t, func(t *testing.T, w *world) {
		if !grouptest.Virtual {
			w.limit = 300 * time.Millisecond
		}
		seed := rand.Uint64()
		if *seedFlag > 0 {
			seed = *seedFlag
		}
		t.Logf("seed %d", seed)
		rng := rand.New(rand.NewPCG(seed, 0))
		cl := w.client(kgo.DefaultProduceTopic(in), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0))
		c := w.member()
		var at, written, n, clients int64
		outcomes := map[string]int{}
		for ; w.log.Count("was not known") < wanted || outcomes["committed"] == 0; n++ {
			require.Less(t, n, int64(20*wanted), "there are too few doubts, or nothing goes well: %v", outcomes)
			if len(between(c.recs, at, at+1)) == 0 {
				for p := range int32(partitions) {
					if at == written {
						require.NoError(t, cl.ProduceSync(t.Context(), w.record(p, at)).FirstErr())
					}
				}
				written = max(written, at+1)
				c.poll(1)
			}
			c.begin()
			c.copy(between(c.recs, at, at+1)...)
			stop := w.endBadly(rng)
			o := c.commit()
			stop()
			outcomes[cell(o)]++
			ended := o.Ended
			if o.Client != transaction.Usable {
				clients++
				c.cl.CloseAllowingRebalance()
				c = w.member()
				if ended == transaction.Unresolved {
					ended = c.Resolve(t.Context(), o.Doubt).Ended
				}
			}
			switch ended {
			case transaction.Committed:
				at++
			case transaction.Aborted:
			default:
				require.FailNow(t, "it was not found out", "%v", o)
			}
			w.agree(at, at)
		}
		t.Logf("%d transactions, %d committed, %d new clients: %v", n, at, clients, outcomes)
	})
}

// endBadly lets the end of the next transaction go wrong, or not.
func (w *world) endBadly(rng *rand.Rand) (stop func()) {
	switch rng.IntN(6) {
	case 0:
		return w.lose(rng, rng.IntN(8), kmsg.EndTxn)
	case 1:
		h := w.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.EndTxn}, Err: kerr.UnknownServerError, TopLevel: true})
		return h.Remove
	case 2:
		ends, inits := w.lose(rng, 20, kmsg.EndTxn), w.lose(rng, rng.IntN(8)+rng.IntN(2)*10_000, kmsg.InitProducerID)
		return func() { ends(); inits() }
	default:
		return w.lose(rng, 20, kmsg.EndTxn)
	}
}

// forget lets the brokers say to the next records that those before them were deleted, and their
// producer forgotten: the client asks for a new epoch then, and sends them again.
func (w *world) forget() {
	w.Cluster().ControlKey(kmsg.Produce.Int16(), func(kreq kmsg.Request) (kmsg.Response, error, bool) {
		req := kreq.(*kmsg.ProduceRequest)
		resp := req.ResponseKind().(*kmsg.ProduceResponse)
		for _, t := range req.Topics {
			topic := kmsg.NewProduceResponseTopic()
			topic.Topic, topic.TopicID = t.Topic, t.TopicID
			for _, p := range t.Partitions {
				part := kmsg.NewProduceResponseTopicPartition()
				part.Partition, part.ErrorCode, part.LogStartOffset = p.Partition, kerr.UnknownProducerID.Code, 100
				topic.Partitions = append(topic.Partitions, part)
			}
			resp.Topics = append(resp.Topics, topic)
		}
		return resp, nil, true
	})
}

// A transaction in whose middle the client has asked for a new epoch has lost what it had before:
// it is not committed, though no record has failed. (Brokers without KIP-890 refuse the records.)
func TestANewEpochInTheMiddleAborts(t *testing.T) {
	inWorld(t, protocol{}, func(t *testing.T, w *world) {
		w.fill(2)
		c := w.member()
		recs := c.poll(2)
		c.begin()
		c.copy(first(recs, 1)...)
		require.NoError(t, c.cl.Flush(t.Context()))
		w.forget()
		c.copy(between(recs, 1, 2)...)
		require.NoError(t, c.cl.Flush(t.Context()))
		require.NoError(t, c.err)
		requireOutcome(t, c.commit(), transaction.Aborted, transaction.Usable, transaction.FailedProduce)
		w.agree(0, 0)
		c.begin()
		c.copy(recs...)
		requireCommitted(t, c.commit())
		w.agree(2, 2)
	})
}
