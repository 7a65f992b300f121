package verify

// Verifier puts the checks together: one log that goes along with the run, the committed offsets
// beside it, and the logs of readers that read at the end. It is fed by [Watcher], or by hand. It
// is not for concurrent use.
type Verifier struct {
	in      *Inputs
	log     *Log
	offsets *Offsets

	divergence Finding
	aborted    int
	finished   bool
}

// New gives the verifier of a run that has not begun.
func New(in *Inputs) *Verifier {
	return &Verifier{in: in, log: NewLog(in), offsets: NewOffsets(in)}
}

// Output takes the next record of an output partition, as [Log.Add] does.
func (v *Verifier) Output(topic string, partition int32, offset int64, key, value []byte) {
	v.log.Add(topic, partition, offset, key, value)
}

// Observe takes committed offsets. Before it, Output is to be given all outputs up to the ends that
// the brokers named after the offsets were read.
func (v *Verifier) Observe(committed map[int32]int64) { v.offsets.Judge(committed, v.log) }

// Finish takes the offsets that are left, and the logs of readers that began when all had stopped
// and read everything: what is committed, and with what is not.
func (v *Verifier) Finish(committed map[int32]int64, final, uncommitted *Log) {
	v.offsets.Finish(committed, v.log)
	v.divergence = v.log.diverges(final)
	v.aborted = uncommitted.records() - final.records()
	v.finished = true
}

// Report is the judgement so far.
func (v *Verifier) Report() Report {
	r := Report{
		Seed: v.in.seed, Inputs: v.in.Len(), Expected: v.in.Outputs(), Outputs: v.log.records(), Rounds: v.offsets.rounds,
		Attempts: map[string]Attempt{}, Aborted: v.aborted,
		Lost: v.log.lost(), Duplicates: v.log.duplicate, Inversions: v.log.inversion, Early: v.offsets.early, Back: v.offsets.back, Behind: v.offsets.behind,
		Divergence: v.divergence, Corrupt: v.log.corrupt, Foreign: v.log.foreign,
		finished: v.finished,
	}
	for name, a := range v.log.attempts {
		r.Attempts[name] = *a
	}
	return r
}
