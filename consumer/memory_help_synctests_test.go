//go:build synctests

package consumer_test

import (
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kgo"
)

// fetchedRecords is a client's hook that counts what the client reads.
type fetchedRecords struct{ n atomic.Int64 }

func (f *fetchedRecords) OnFetchBatchRead(_ kgo.BrokerMetadata, _ string, _ int32, m kgo.FetchBatchMetrics) {
	f.n.Add(int64(m.NumRecords))
}

func (s *stuckSink) of(p int32) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.by[p]
}

func (s *stuckSink) count() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.by {
		n += c
	}
	return n
}
