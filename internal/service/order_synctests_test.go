//go:build synctests

package service_test

import (
	"fmt"
	"iter"
	"strconv"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/envelope"
)

const (
	topicA, topicB, topicDead = "paid", "sent", "rejected"

	partitions = 6
	keys       = 8 // in each partition
	parts      = 2 // outputs of an order
)

type (
	record  = consumer.Record[string, string]
	message = consumer.CommittableMessage[string, string]
	outputs = envelope.Envelope[string, string, envelope.Committable]
)

// order is what a record says: its key, and where it stands. Of one key, offsets tell the order.
type order struct {
	key       string
	partition int32
	offset    int64
	commit    envelope.Committable
}

func orderOf(r *record) order {
	return order{key: r.Key, partition: r.Partition(), offset: r.Offset()}
}

func orderOfMessage(m *message) order {
	o := orderOf(&m.Record)
	o.commit = m.Offset
	return o
}

// part is one output of the order.
func (o order) part(topic string, i int) envelope.Record[string, string] {
	return *envelope.New(topic, o.key, fmt.Sprintf("%d/%d/%d", o.partition, o.offset, i))
}

// outputs are both parts.
func (o order) outputs(first, second string) outputs {
	return envelope.Multi([]envelope.Record[string, string]{o.part(first, 0), o.part(second, 1)}, o.commit)
}

// lane is one part of an order that goes its own way.
type lane struct {
	order
	i int
}

// lanes are the parts of an order, and one that is in nobody's interest.
func (o order) lanes() iter.Seq[lane] {
	return func(yield func(lane) bool) {
		for i := range parts + 1 {
			if !yield(lane{o, i}) {
				return
			}
		}
	}
}

func (l lane) wanted() bool { return l.i < parts }

// rejected is so for three orders in a hundred, whenever one asks.
func (o order) rejected() bool { return (o.offset*7+int64(o.partition))%33 == 0 }

// keyOf is the key of a record: where one key is hot, every other record has it.
func keyOf(partition int32, n int64, hot bool) string {
	k := n % keys
	if hot && n%2 == 0 {
		k = 0
	}
	return strconv.Itoa(int(partition)) + "-" + strconv.Itoa(int(k))
}
