// Package verify judges runs of consumers that produce: it makes the input, reads the output and
// the group's offsets while the run goes on and at its end, and says what was lost, doubled, out of
// order or committed too early. Every such run is judged here; there is no second verifier.
//
// # A run
//
//	inputs, err := verify.Plan{Seed: seed, Keys: 200, Records: 100_000, Partitions: 8}.Write(ctx, addrs, "in")
//	w, err := verify.Watch(verify.Target{Addrs: addrs, Group: "copy", Inputs: inputs, Outputs: []string{"out"}})
//	… workers run, are killed, and start again; w.Await tells how far they are …
//	report, err := w.Finish(ctx) // when they have stopped
//	err = report.AtLeastOnce()
//
// A worker decodes the value of each record it consumes, makes as many outputs as its fan-out says
// ([Record.Output]), each with the key of the input, and produces them.
//
// # Records
//
// The value of a record is one line of text, see [Record.Encode]:
//
//	v1|key|seq|topic:partition:offset|attempt|i/n|checksum
//
// Inputs have no source and no attempt, and say with i/n = 0/n how many outputs they ask for: 0, 1
// or more. The key is the record's own key too.
//
// # Checks
//
//	V1  loss        every input has all its outputs
//	V2  duplicates  counted: an output, told by its source and fan-out index, that is there again
//	V3  order       per key and output partition, first deliveries have rising sequence numbers
//	V6  offsets     a committed offset never covers an input with an output missing, never goes back, and is the end of the input when all is over
//	V7  observers   a reader that went along and one that read at the end saw the same at each offset
//	    corrupt     a value that does not decode, or whose checksum is wrong
//	    foreign     a record that no input asked for
//
// V6 is judged while the run goes on: the committed offsets are read first, then the outputs up to
// the ends that the brokers name after that. What a committed offset covers was acknowledged
// before, so it has to be among them.
package verify
