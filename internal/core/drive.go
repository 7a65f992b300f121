package core

// Status is what an Intake has to say beside elements.
type Status uint8

const (
	// Empty: nothing now; the island is woken when there is.
	Empty Status = iota
	// Ready: the chunk has elements.
	Ready
	// Complete: there will be no more.
	Complete
)

// Chunk is a run of elements that lie side by side. Their tokens are listed (Toks), or dense from
// First on, or none.
type Chunk[T any] struct {
	Vals  []T
	Toks  []Token
	First Token
}

// Intake is where an island takes its elements from. All methods are called on the island's
// goroutine.
type Intake[T any] interface {
	// Next returns what is there, at most a few hundred elements; it never blocks.
	Next() (Chunk[T], Status)
	// Taken says that the first n elements of the last chunk have been handled (or dropped) and
	// their place is free.
	Taken(n int)
	// Ready reports whether Next would return something else than Empty.
	Ready() bool
	// Cancel says that no more is wanted; what was not taken is disposed of. No other method is
	// called afterwards. It is not called after Complete.
	Cancel()
}

// IntakeBase is embedded in an [Intake] of a stream's beginning, whose author writes Next and
// Taken, and of the others those that differ: what it gives out is there or nowhere (an intake that
// returns Empty writes Ready, or is a Waiter), it has nothing to dispose of, and gives out nothing
// that was dropped.
type IntakeBase struct{}

// Ready implements Intake.
func (IntakeBase) Ready() bool { return true }

// Cancel implements Intake.
func (IntakeBase) Cancel() {}

// Swept implements Sweeper.
func (IntakeBase) Swept(uint32) bool { return true }

// Beginning is an Intake that begins a stream and can be stopped by a drain between any two
// elements: those that were not pushed are still the user's (a slice), or will be delivered again.
type Beginning interface {
	// More reports whether there would have been more; a drain asks.
	More() bool
}

// Waiter is an Intake that has its own way of waiting (a user's channel).
type Waiter interface {
	// Wait returns when there may be something, or when woken is readable, which it then has read:
	// it reports which.
	Wait(woken <-chan struct{}) (wasWoken bool)
}

const maxChunk = 256

// Drive makes the island take elements from the intake, and next the chain behind it.
func Drive[T any](isl *Island, in Intake[T], st Stage[T]) {
	st.Link.Up = func() { isl.noMore = true }
	if st.Link.cancelled {
		isl.noMore = true
	}
	if b, ok := in.(*Boundary[T]); ok && isl.retries {
		a := newAhead(isl, b, st.Push)
		in, isl.ahead = a, a
	}
	isl.run.setLoop(isl, func() { drive(isl, in, st) })
}

// DriveSource builds a stream's beginning: a stage, and an island that takes from an intake.
func DriveSource[T any](b *Builder, kind string, next func(At) Stage[T], intake func(isl *Island) Intake[T]) {
	name := b.Name(kind) // before what follows is built, which would take the name
	isl := b.Run.NewIsland()
	st := next(At{Island: isl})
	isl.AddSource(name)
	Drive(isl, intake(isl), st)
}

func drive[T any](isl *Island, in Intake[T], st Stage[T]) {
	r := isl.run
	defer isl.yielded(yieldOver)
	src, isSource := in.(Beginning)
	ownWait, _ := in.(Waiter)
	sweeper, _ := in.(Sweeper)
	retry, _ := in.(*ahead[T])
	// What ends the parking is looked at again when the parked flag is up: input, and a
	// cancellation from another island.
	ready := func() bool { return in.Ready() || isl.unwanted() }
	complete := false
	for {
		if r.Stopped() {
			isl.publish()
			return
		}
		// Kept here too: a push in idle may wait, and see a later poke, which this loop has not
		// looked into.
		seen := r.pokes.Load()
		isl.seenPoke = seen
		if isl.noMore {
			break
		}
		if isSource && r.Draining() {
			if src.More() {
				r.Cut()
			}
			break
		}
		isl.yielded(noYield)
		c, status := in.Next()
		if status == Complete {
			complete = true
			break
		}
		if status == Ready {
			isl.busy()
			var n int
			if retry != nil {
				n = retry.work()
			} else {
				n = chunk(isl, c, st.Push, isSource)
			}
			isl.chunkSince.Store(0)
			in.Taken(n)
			if isl.source != nil {
				isl.source.in += uint64(n)
			}
			if n < len(c.Vals) && (isl.noMore || r.Stopped() || isSource) {
				continue
			}
			isl.idle()
			if r.Dropping() {
				isl.sweep(sweeper, isSource)
			}
			continue
		}
		deadline := isl.idle()
		if r.Dropping() {
			isl.sweep(sweeper, isSource)
		}
		if isl.noMore || r.Stopped() || r.pokes.Load() != seen {
			continue
		}
		isl.seenPoke = seen
		if ownWait != nil && deadline.IsZero() {
			isl.waitOn(ownWait)
			continue
		}
		isl.park(ready, deadline)
	}
	isl.guard(func() {
		if !complete {
			in.Cancel()
		}
		st.Done()
	})
	isl.pending.flush(r.Ledger)
	isl.publish()
	isl.sweptUpTo(sweptForEver)
}

// chunk pushes the elements of a chunk and returns how many were handled: fewer than there are when
// the run was stopped, the chain wants no more, or a source is drained.
func chunk[T any](isl *Island, c Chunk[T], push func(T), isSource bool) (n int) {
	defer func() {
		if isl.passPanics {
			return
		}
		if p := recover(); p != nil {
			isl.panicked(p)
			n++
		}
	}()
	attention := &isl.run.word
	switch {
	case c.Toks != nil:
		for ; n < len(c.Vals); n++ {
			if attention.Load() != 0 {
				switch isl.heed(c.Toks[n], isSource) {
				case leave:
					return n
				case skip:
					continue
				}
			}
			isl.frame.cur, isl.frame.outs, isl.frame.fate = c.Toks[n], 0, fine
			push(c.Vals[n])
			if isl.frame.cur != 0 {
				isl.settle()
			}
			if isl.noMore {
				return n + 1
			}
		}
	case c.First != 0:
		isl.runEnd, isl.runClaimed = c.First+Token(len(c.Vals)-1), 0
		for ; n < len(c.Vals); n++ {
			t := c.First + Token(n)
			if attention.Load() != 0 {
				switch isl.heed(t, isSource) {
				case leave:
					return n
				case skip:
					continue
				}
			}
			isl.frame.cur, isl.frame.outs, isl.frame.fate = t, 0, fine
			push(c.Vals[n])
			if isl.frame.outs == 0 && isl.frame.fate == fine {
				isl.pending.done(isl.run.Ledger, t) // settle's usual case
			} else {
				isl.settle()
			}
			if isl.noMore {
				return n + 1
			}
		}
	default:
		isl.frame.cur, isl.frame.split, isl.frame.outs, isl.frame.fate = 0, 0, 0, fine
		for ; n < len(c.Vals); n++ {
			if attention.Load() != 0 && isl.heed(0, isSource) == leave {
				return n
			}
			push(c.Vals[n])
			if isl.noMore {
				return n + 1
			}
		}
	}
	return n
}

type verdict uint8

const (
	goOn verdict = iota
	skip
	leave
)

// heed is called between two elements while something wants attention; it is the only check that
// is made per element.
func (isl *Island) heed(t Token, isSource bool) verdict {
	a := isl.run.word.Load()
	switch {
	case a&wantStop != 0:
		return leave
	case a&wantYield != 0 && isSource && isl.yield.Load() == yieldAsked:
		return leave
	case a&wantDrop == 0 || t == 0:
		if isSource && a&wantDrain != 0 {
			return leave
		}
	default:
		if gone, how := isl.run.Ledger.gone(t); gone {
			if isSource && a&wantDrain != 0 {
				return leave // it is still the source's
			}
			isl.run.sweepOut(t, how)
			return skip
		}
		// What has begun goes on in a drain, too: a stage may have begun a whole chunk.
	}
	if a&(wantHurry|wantGate) != 0 {
		isl.pending.flush(isl.run.Ledger) // somebody waits for the last token
	}
	return goOn
}

// DriveHere is Drive for the goroutine that calls the function it returns: a range loop's. A panic
// of the loop's body passes through. Call it once, after the run's start.
func DriveHere[T any](isl *Island, in Intake[T], st Stage[T]) func() {
	isl.passPanics = true
	st.Link.Up = func() { isl.noMore = true }
	leave := isl.run.enter(&goroutine{what: "range loop"})
	return func() {
		defer leave()
		defer isl.run.Here()()
		drive(isl, in, st)
	}
}
