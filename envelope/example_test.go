package envelope_test

import (
	"errors"
	"fmt"

	"github.com/vicuna-go/vicuna/envelope"
)

func ExampleRecord() {
	rec := envelope.Record[string, float64]{Topic: "prices", Value: 0}
	_, explicit := rec.Partition.Get()
	fmt.Println("explicit partition:", explicit, "key:", rec.Key)

	rec.Partition = envelope.ToPartition(0)
	rec.Key = envelope.Some("EURUSD")
	fmt.Println("partition:", rec.Partition, "key:", rec.Key)
	// Output:
	// explicit partition: false key: unset
	// partition: 0 key: EURUSD
}

func ExampleNewTombstone() {
	rec := envelope.NewTombstone[float64]("prices", "EURUSD") // *Record[string, float64]
	fmt.Println(rec.Key, rec.Tombstone)
	// Output: EURUSD true
}

func ExampleSingle() {
	type requestID int
	toPrice := func(id requestID, price float64) envelope.Envelope[string, float64, requestID] {
		if price <= 0 {
			// nothing to send, the id still arrives
			return envelope.PassThrough[string, float64](id)
		}
		return envelope.Single(*envelope.New("prices", "EURUSD", price), id)
	}
	for i, price := range []float64{1.1, -1} {
		e := toPrice(requestID(i), price)
		switch e := e.(type) {
		case *envelope.Message[string, float64, requestID]:
			fmt.Println(e.Pass(), "sends", e.Record.Value)
		case *envelope.PassThroughMessage[string, float64, requestID]:
			fmt.Println(e.Pass(), "sends nothing")
		}
	}
	// Output:
	// 0 sends 1.1
	// 1 sends nothing
}

// Records without envelopes, as a producer.PlainSink takes them.
func ExampleSlab_Record() {
	var slab envelope.Slab[string, int, envelope.None]
	rec := slab.Record(envelope.Record[string, int]{Topic: "invoices", Key: envelope.Some("nr-1"), Value: 3})
	fmt.Println(rec.Topic, rec.Key, rec.Value)
	// Output: invoices nr-1 3
}

func ExampleSlab() {
	var slab envelope.Slab[string, int, envelope.None]
	for i := range 3 {
		e := slab.Single(envelope.Record[string, int]{Topic: "numbers", Value: i}, envelope.None{})
		fmt.Println(e.(*envelope.Message[string, int, envelope.None]).Record.Value)
	}
	// Output:
	// 0
	// 1
	// 2
}

func ExampleResults() {
	show := func(res envelope.Results[string, int, string]) {
		switch r := res.(type) {
		case *envelope.Result[string, int, string]:
			fmt.Printf("%s: %s-%d@%d\n", r.Pass(), r.Metadata.Topic, r.Metadata.Partition, r.Metadata.Offset)
		case *envelope.MultiResult[string, int, string]:
			fmt.Printf("%s: %d parts, failed: %v\n", r.Pass(), len(r.Parts), r.Failed())
		case *envelope.PassThroughResult[string, int, string]:
			fmt.Printf("%s: nothing sent\n", r.Pass())
		}
	}
	show(&envelope.Result[string, int, string]{PassThrough: "a", Metadata: envelope.Metadata{Topic: "t", Offset: 7}})
	show(&envelope.MultiResult[string, int, string]{PassThrough: "b", Parts: make([]envelope.Part[string, int], 2), Err: errors.New("too large")})
	show(&envelope.PassThroughResult[string, int, string]{PassThrough: "c"})
	// Output:
	// a: t-0@7
	// b: 2 parts, failed: too large
	// c: nothing sent
}
