//go:build synctests

package service_test

import (
	"errors"
	"time"

	"github.com/vicuna-go/vicuna/stream"
)

// workers is how many calls a member makes at the same time.
const workers = 32

// retry tries again until the dependency has answered.
var retry = stream.OnError(stream.Retry(stream.Backoff{
	Max: time.Second, If: func(err error) bool { return !errors.Is(err, errRejected) },
}))

// graph is the shape of a service.
type graph struct {
	name  string
	build func(d *dependency, src stream.Source[order], to stream.Sink[outputs]) stream.Graph
	// unordered: later orders of a key may be written first.
	unordered bool
	// apart: what is made of an order is not written at the same time, so that some of it may be
	// there when the rest is given up, and comes again.
	apart bool
	// begins is how many stages may begin an order, so how many calls an end may take.
	begins int

	hot     bool // half of the orders of a partition have one key
	recycle bool
}

var graphs = []graph{
	{name: "calls", begins: 1, build: calls},
	{name: "recycling", begins: 1, recycle: true, build: calls},
	{name: "hot key", begins: 1, hot: true, build: calls},
	{name: "unordered calls", begins: 1, unordered: true, build: func(d *dependency, src stream.Source[order], to stream.Sink[outputs]) stream.Graph {
		return stream.MapAsyncUnordered(src, workers, d.pay, retry).To(to)
	}},
	{name: "one call at a time", begins: 1, build: func(d *dependency, src stream.Source[order], to stream.Sink[outputs]) stream.Graph {
		return stream.TryMap(src, d.payInTurn, retry).To(to)
	}},
	{name: "two stages of calls", begins: 2, build: func(d *dependency, src stream.Source[order], to stream.Sink[outputs]) stream.Graph {
		return stream.MapAsync(stream.MapAsync(src, workers, d.ask, retry), workers, d.pay, retry).To(to)
	}},
	{name: "calls after one at a time", begins: 2, build: func(d *dependency, src stream.Source[order], to stream.Sink[outputs]) stream.Graph {
		return stream.MapAsync(stream.TryMap(src, d.inTurn, retry), workers, d.pay, retry).To(to)
	}},
	{name: "rejected by calls", begins: 1, build: func(d *dependency, src stream.Source[order], to stream.Sink[outputs]) stream.Graph {
		return stream.MapAsyncDivert(src, workers, d.judged, dead(to), retry).To(to)
	}},
	{name: "rejected by one call at a time", begins: 1, build: func(d *dependency, src stream.Source[order], to stream.Sink[outputs]) stream.Graph {
		return stream.TryMapDivert(src, d.judgedInTurn, dead(to), retry).To(to)
	}},
	{name: "diverted before calls", begins: 1, apart: true, build: func(d *dependency, src stream.Source[order], to stream.Sink[outputs]) stream.Graph {
		asked := stream.NewFlow(func(src stream.Source[order]) stream.Source[outputs] {
			return stream.MapAsync(src, workers, d.pay, retry)
		})
		return stream.Via(src.Divert(func(o order) bool { return o.offset%3 == 0 }, asked.To(to)), asked).To(to)
	}, unordered: true},
	{name: "calls for batches", begins: 1, build: func(d *dependency, src stream.Source[order], to stream.Sink[outputs]) stream.Graph {
		return stream.MapAsync(stream.Batch(src, 20, 50*time.Millisecond), workers/8, d.payAll, retry).To(to)
	}},
	{name: "calls for parts", begins: 1, apart: true, build: func(d *dependency, src stream.Source[order], to stream.Sink[outputs]) stream.Graph {
		return stream.MapAsync(stream.FlatMap(src, order.lanes).Filter(lane.wanted), workers, d.payLane, retry).To(to)
	}},
	{name: "lanes", begins: 1, apart: true, build: func(d *dependency, src stream.Source[order], to stream.Sink[outputs]) stream.Graph {
		into := func(i int) stream.Sink[order] {
			return stream.NewFlow(func(src stream.Source[order]) stream.Source[outputs] {
				return stream.MapAsync(stream.Map(src, func(o order) lane { return lane{o, i} }), workers/2, d.payLane, retry)
			}).To(to)
		}
		return src.To(stream.Broadcast(into(0), into(1)))
	}},
}

// calls is the service as it stands most often.
func calls(d *dependency, src stream.Source[order], to stream.Sink[outputs]) stream.Graph {
	return stream.MapAsync(src, workers, d.pay, retry).To(to)
}

// dead takes what was rejected.
func dead(to stream.Sink[outputs]) stream.Sink[stream.Failed[order]] {
	return stream.NewFlow(func(src stream.Source[stream.Failed[order]]) stream.Source[outputs] {
		return stream.Map(src, func(f stream.Failed[order]) outputs { return f.Value.outputs(topicDead, topicDead) })
	}).To(to)
}
