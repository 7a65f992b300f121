package envelope

import "strconv"

// Partition is an explicit partition number, or none. The zero Partition is
// unset: the producer's partitioner chooses. (A plain int32 would make
// partition 0 the choice of everybody who says nothing.)
type Partition struct {
	number int32
	set    bool
}

// ToPartition returns the explicit partition n. A number that the topic does
// not have, a negative one included, is not "unset": sending such a record
// fails.
func ToPartition(n int32) Partition { return Partition{number: n, set: true} }

// Get returns the number and whether one is set; 0 where none is.
func (p Partition) Get() (int32, bool) { return p.number, p.set }

// String shows the number, or "unset".
func (p Partition) String() string {
	if !p.set {
		return "unset"
	}
	return strconv.Itoa(int(p.number))
}
