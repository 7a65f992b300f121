package verify

import "fmt"

// Offsets judges what a group committed, over the time of a run. It is not for concurrent use.
type Offsets struct {
	in   *Inputs
	last map[int32]int64

	rounds int // observations with an offset in them
	early  Finding
	back   Finding
	behind Finding
}

// NewOffsets gives the judge of a group that has committed nothing yet.
func NewOffsets(in *Inputs) *Offsets { return &Offsets{in: in, last: map[int32]int64{}} }

// Judge takes the committed offsets of input partitions, and a log of the outputs that is at least
// as new: they were read before the ends were asked for up to which it was read. A partition with
// nothing committed is left out.
func (o *Offsets) Judge(committed map[int32]int64, log *Log) {
	if len(committed) > 0 {
		o.rounds++
	}
	for number := range o.in.partitions {
		number := int32(number)
		offset, ok := committed[number]
		last, had := o.last[number]
		if !ok {
			if had {
				o.back.add("%v: %d was committed, now nothing is", Position{o.in.topic, number, last}, last)
				delete(o.last, number) // told once
			}
			continue
		}
		if had && offset < last {
			o.back.add("%v: after %d was committed", Position{o.in.topic, number, offset}, last)
		}
		o.last[number] = offset
		if missing := log.frontier(number); offset > missing {
			o.early.add("%v is committed: %s", Position{o.in.topic, number, offset}, o.missing(number, missing, log))
		}
	}
}

// Finish judges the offsets that are left when all is over: besides all else, they are at the ends
// of the input.
func (o *Offsets) Finish(committed map[int32]int64, log *Log) {
	o.Judge(committed, log)
	ends := o.in.Ends()
	for number := range o.in.partitions {
		if end, ok := ends[int32(number)]; ok && committed[int32(number)] < end {
			o.behind.add("%v is committed at the end: the input ends at %d", Position{o.in.topic, int32(number), committed[int32(number)]}, end)
		}
	}
}

func (o *Offsets) missing(number int32, offset int64, log *Log) string {
	in := o.in.find(Position{o.in.topic, number, offset})
	if in == nil {
		return "the input ends before it"
	}
	return fmt.Sprintf("%v, input %v, has %d outputs", Position{o.in.topic, number, offset}, in.Record, log.inputs[number][offset].there)
}
