package verify

import "fmt"

// Inputs is what there is to be processed, by position. It is complete before it is given to
// anybody else, and read only from then on.
type Inputs struct {
	topic      string
	seed       uint64
	partitions [][]input // by partition and offset
	records    int
	outputs    int
}

type input struct {
	Record
	there bool // an offset may have none: a transaction's marker
}

// NewInputs gives the inputs of a topic, none yet. The seed is for the report only.
func NewInputs(topic string, seed uint64) *Inputs { return &Inputs{topic: topic, seed: seed} }

// Add adds the record that was written at the offset of the partition. A position is written once.
func (in *Inputs) Add(partition int32, offset int64, r Record) error {
	for int(partition) >= len(in.partitions) {
		in.partitions = append(in.partitions, nil)
	}
	at := &in.partitions[partition]
	for offset >= int64(len(*at)) {
		*at = append(*at, input{})
	}
	if (*at)[offset].there {
		return fmt.Errorf("two inputs at %v", Position{in.topic, partition, offset})
	}
	(*at)[offset] = input{Record: r, there: true}
	in.records++
	in.outputs += r.Fan.N
	return nil
}

// Topic is the topic that they are in.
func (in *Inputs) Topic() string { return in.topic }

// Len is the number of inputs.
func (in *Inputs) Len() int { return in.records }

// Outputs is the number of outputs that all inputs ask for.
func (in *Inputs) Outputs() int { return in.outputs }

// Ends are the offsets after the last input of each partition, those with none left out.
func (in *Inputs) Ends() map[int32]int64 {
	ends := map[int32]int64{}
	for partition, at := range in.partitions {
		if len(at) > 0 {
			ends[int32(partition)] = int64(len(at))
		}
	}
	return ends
}

// find gives the input at a position, nil where none is.
func (in *Inputs) find(p Position) *input {
	if p.Topic != in.topic || p.Partition < 0 || int(p.Partition) >= len(in.partitions) {
		return nil
	}
	at := in.partitions[p.Partition]
	if p.Offset < 0 || p.Offset >= int64(len(at)) || !at[p.Offset].there {
		return nil
	}
	return &at[p.Offset]
}
