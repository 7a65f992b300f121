package core

import (
	"sync/atomic"
	"time"
)

// Outcome is what a call of a stage with workers came to.
type Outcome uint32

const (
	Emit   Outcome = slotResult  // the value goes on
	Finish Outcome = slotDone    // nothing goes on, the element is finished
	GiveUp Outcome = slotGivenUp // nothing goes on, the element must be delivered again
	// Again: the call failed, and is to be made again after a pause.
	Again Outcome = ^Outcome(0)
)

// Window is the number of elements that a stage with n workers takes in at most: enough that one
// slow call in fifty keeps the others busy.
func Window(n int) int { return max(1024, 64*n) }

// shortWindow is that of a stage after another with effects: what it takes in has begun, and an end
// waits for it. With the element that waits to be taken in these are two calls for each worker.
func shortWindow(n int) int { return 2*n - 1 }

// MapAsync is a stage that runs up to n calls at once. Results go on in input order, or, where
// unordered, as they come.
type MapAsync[A, B any] struct {
	Name      string
	N         int
	Unordered bool
	// Ahead is how many elements are taken in beside those in work; 0 is as the stage's place asks
	// for.
	Ahead int
	// Repeatable: a call begins nothing, since it may be made again.
	Repeatable bool
	// Call works on one element, on a worker's goroutine. failed is how often it failed before.
	// With Again it says when the pause ends.
	Call func(a A, t Token, failed int, s *StageInfo) (b B, how Outcome, until time.Time)
}

// window is how many elements the stage takes in, once the whole graph is known.
func (m *MapAsync[A, B]) window(at At) int {
	switch {
	case m.Ahead > 0:
		return m.N + m.Ahead
	case at.Line.begun():
		return shortWindow(m.N)
	}
	return Window(m.N)
}

func (m *MapAsync[A, B]) most() int { return max(Window(m.N), m.N+m.Ahead) }

// Attach builds the stage; the results are driven by a new island whose chain next builds.
func (m MapAsync[A, B]) Attach(at At, next func(At) Stage[B]) Stage[A] {
	r := at.Island.run
	recv := r.NewIsland()
	after := at.On(recv)
	if !m.Repeatable {
		after = after.Begun()
	}
	st := next(after)
	info := at.Island.AddStage(m.Name)
	if m.Unordered {
		return attachUnordered(m, at, recv, st, info)
	}
	s := NewSlots[B](at, m.most(), recv)
	r.OnStart(func() { s.limit = uint64(m.window(at)) })
	info.Buffers(s.Len)
	ins := make([]A, s.Size())
	tries := make([]int32, s.Size())
	var claimed atomic.Uint64
	w, begins := m.workers(recv, info, uint64(s.Size()), &claimed, &s.tail, &s.head)
	s.taken, s.refused, s.wide = begins.resume, w.review, w.inTheWay
	w.claim = func() (uint64, bool) {
		for {
			c := claimed.Load()
			if c >= s.tail.Load() || !begins.may() {
				return 0, false
			}
			if claimed.CompareAndSwap(c, c+1) {
				return c, true
			}
		}
	}
	var none A
	w.work = func(slot uint64, mine *callPlace) {
		i := slot & s.mask
		t := s.toks[i]
		end := func() {
			if tries[i] > 0 {
				info.Tried(t)
			}
			ins[i], tries[i] = none, 0
		}
		switch {
		case s.cancelled.Load():
			end()
			s.fill(slot, slotResult) // refused
			return
		case !m.begin(r, t, tries[i] == 0):
			end()
			s.fill(slot, slotReturned)
			return
		}
		mine.begins(t)
		b, how, until := m.Call(ins[i], t, int(tries[i]), info)
		mine.returns()
		if how == Again {
			tries[i]++
			w.pause(slot, t, until, s.cancelled.Load)
			w.letIn(at.Island)
			return
		}
		end()
		if how == Emit {
			s.vals[i] = b
		}
		s.fill(slot, uint32(how))
	}
	Drive(recv, s, st)
	return Stage[A]{
		Push: func(a A) {
			info.in++
			slot, ok := s.Reserve()
			if !ok {
				return
			}
			ins[slot&s.mask] = a
			s.Publish(slot)
			w.more()
		},
		Done: func() {
			s.Close()
			w.close()
		},
		Link: s.sendLink,
	}
}

// workers makes the stage's: of what is sent (tail) they begin the first that has not begun, unless
// that runs too far ahead of what is taken. size is how many may be on their way.
func (m *MapAsync[A, B]) workers(recv *Island, info *StageInfo, size uint64, begun, tail, taken *atomic.Uint64) (*workers, *beginning) {
	w := newWorkers(recv.run, m.N, m.Name)
	info.calls = &w.calls
	begins := &beginning{run: recv.run, recv: recv, begun: begun, taken: taken, more: w.more}
	begins.ahead.init(uint64(2*m.N), size)
	w.backlog = func() bool { return begun.Load() < tail.Load() && begins.may() }
	return w, begins
}

// begin begins an element at its first call, and looks before each whether it is still wanted.
func (m *MapAsync[A, B]) begin(r *Run, t Token, first bool) bool {
	switch {
	case t == 0:
		return true
	case first && !m.Repeatable:
		return r.Ledger.Claim(t)
	}
	return !r.CutOff(t)
}

// cells is the transport of an unordered stage: elements lie in cells that any order can free. Cell
// numbers travel through three rings: free (receiver to sender), in (sender to workers), out
// (workers to receiver, by ticket). A number is in one of them at a time, so none can overflow.
type cells[A, B any] struct {
	// The cells, of which a number in one of the rings is the right to write: first the sender's,
	// then a worker's, then the receiver's. mask is fixed.
	ins   []A
	outs  []B
	toks  []Token
	hows  []uint32
	seqs  []uint64 // how many were sent before
	tries []int32
	mask  uint64

	// The two ends, fixed when it is built.
	send     *Island
	sendLink *Link
	recv     *Island

	// From receiver to sender: freeTail is the receiver's, freeHead the sender's, limit is set
	// before the run starts.
	limit    uint64      // cells in use, at most
	wide     func() bool // whether all that there are may be in use now
	free     []uint32
	freeTail atomic.Uint64
	freeHead uint64

	// From sender to workers: inTail is the sender's, claim is what workers draw from.
	in     []atomic.Uint32
	inTail atomic.Uint64
	claim  atomic.Uint64

	// From workers to receiver: tickets is what workers draw from, the rest is the receiver's.
	out     []atomic.Uint32
	tickets atomic.Uint64
	taken   atomic.Uint64
	lhead   uint64
	sweep   sweep
	before  uint64 // of those that were sent before the sweep, and not taken

	// Written once each: closed by the sender, cancelled by the receiver.
	closed    atomic.Bool
	cancelled atomic.Bool

	told    func() // called by the receiver when it has taken a result
	refused func() // called by the receiver when it has cancelled
}

func attachUnordered[A, B any](m MapAsync[A, B], at At, recv *Island, st Stage[B], info *StageInfo) Stage[A] {
	n := 1
	for n < m.most() {
		n *= 2
	}
	c := &cells[A, B]{
		ins: make([]A, n), outs: make([]B, n), toks: make([]Token, n), hows: make([]uint32, n), seqs: make([]uint64, n), tries: make([]int32, n), mask: uint64(n - 1),
		send: at.Island, recv: recv, sendLink: &Link{},
		free: make([]uint32, n), in: make([]atomic.Uint32, n), out: make([]atomic.Uint32, n),
	}
	for i := range c.free {
		c.free[i] = uint32(i)
	}
	c.freeTail.Store(uint64(n))
	at.Island.outputs = append(at.Island.outputs, c)
	at.KeepsUnbegun()
	info.Buffers(func() int { return max(0, int(c.inTail.Load())-int(c.taken.Load())) })
	r := at.Island.run
	c.limit = uint64(n)
	r.OnStart(func() { c.limit = uint64(m.window(at)) })
	w, begins := m.workers(recv, info, uint64(n), &c.claim, &c.inTail, &c.taken)
	c.told, c.refused, c.wide = begins.resume, w.review, w.inTheWay
	w.claim = func() (uint64, bool) {
		for {
			k := c.claim.Load()
			if k >= c.inTail.Load() || !begins.may() {
				return 0, false
			}
			// Before the claim: the place in the ring may be written again as soon as it is
			// claimed.
			cell := c.in[k&c.mask].Load()
			if c.claim.CompareAndSwap(k, k+1) {
				return uint64(cell), true
			}
		}
	}
	w.work = func(cell uint64, mine *callPlace) {
		how, t := Outcome(slotReturned), c.toks[cell]
		switch {
		case c.cancelled.Load():
			how = Emit // refused
		case m.begin(r, t, c.tries[cell] == 0):
			var until time.Time
			mine.begins(t)
			c.outs[cell], how, until = m.Call(c.ins[cell], t, int(c.tries[cell]), info)
			mine.returns()
			if how == Again {
				c.tries[cell]++
				w.pause(cell, t, until, c.cancelled.Load)
				w.letIn(at.Island)
				return
			}
		}
		var none A
		if c.tries[cell] > 0 {
			info.Tried(t)
		}
		c.ins[cell], c.tries[cell] = none, 0
		c.hows[cell] = uint32(how)
		k := c.tickets.Add(1) - 1
		c.out[k&c.mask].Store(uint32(cell) + 1)
		if c.recv.parked.Load() != 0 {
			c.recv.Wake()
		}
	}
	Drive(recv, c, st)
	return Stage[A]{
		Push: func(a A) {
			info.in++
			if !c.hasRoom() && !c.space() || c.cancelled.Load() {
				if !c.cancelled.Load() && c.send.CutOff() {
					c.send.GiveBack()
					return
				}
				c.send.Refuse()
				c.checkCancelled()
				return
			}
			cell := c.free[c.freeHead&c.mask]
			c.freeHead++
			c.toks[cell] = c.send.Out()
			c.ins[cell] = a
			k := c.inTail.Load()
			c.seqs[cell] = k
			c.in[k&c.mask].Store(cell)
			c.inTail.Store(k + 1)
			w.more()
		},
		Done: func() {
			c.closed.Store(true)
			c.recv.Wake()
			w.close()
		},
		Link: c.sendLink,
	}
}

// space waits for a free cell; false where the receiver has cancelled, the run was stopped, or the
// element in hand came to lie after the cut.
func (c *cells[A, B]) space() bool {
	room := false
	c.send.Await(func() bool {
		room = c.hasRoom() || c.cancelled.Load()
		return room || c.send.CutOff()
	})
	return room
}

// hasRoom reports whether another element may be taken in; the sender asks.
func (c *cells[A, B]) hasRoom() bool {
	used := c.freeHead + uint64(len(c.free)) - c.freeTail.Load()
	return used < c.limit || used < uint64(len(c.free)) && c.wide()
}

func (c *cells[A, B]) checkCancelled() {
	if c.cancelled.Load() {
		c.sendLink.Cancel()
	}
}

// front is the cell that was finished first of those not taken.
func (c *cells[A, B]) front() (cell uint32, ok bool) {
	v := c.out[c.lhead&c.mask].Load()
	return v - 1, v != 0
}

func (c *cells[A, B]) Next() (Chunk[B], Status) {
	for {
		cell, ok := c.front()
		if !ok {
			if c.closed.Load() && c.inTail.Load() == c.lhead {
				return Chunk[B]{}, Complete
			}
			return Chunk[B]{}, Empty
		}
		switch c.hows[cell] {
		case slotResult:
			return Chunk[B]{Vals: c.outs[cell : cell+1], Toks: c.toks[cell : cell+1]}, Ready
		default:
			c.recv.endEmpty(c.toks[cell], c.hows[cell])
		}
		c.Taken(1)
	}
}

func (c *cells[A, B]) Taken(n int) {
	if n == 0 {
		return
	}
	cell, _ := c.front()
	var none B
	c.outs[cell] = none
	if c.before > 0 && c.seqs[cell] < c.sweep.until {
		c.before--
	}
	c.out[c.lhead&c.mask].Store(0)
	c.lhead++
	c.taken.Store(c.lhead)
	c.told()
	k := c.freeTail.Load()
	c.free[k&c.mask] = cell
	c.freeTail.Store(k + 1)
	if c.send.parked.Load() != 0 {
		c.send.Wake()
	}
}

func (c *cells[A, B]) Ready() bool {
	_, ok := c.front()
	return ok || c.closed.Load() && c.inTail.Load() == c.lhead
}

// Cancel refuses what is finished and what will be: the receiver stays until the calls that run
// have come back.
func (c *cells[A, B]) Cancel() {
	c.cancelled.Store(true)
	c.refused()
	c.send.Wake()
	c.recv.Await(func() bool {
		for {
			cell, ok := c.front()
			if !ok {
				return c.closed.Load() && c.inTail.Load() == c.lhead
			}
			if c.hows[cell] == slotResult {
				c.recv.refuseToken(c.toks[cell])
			} else {
				c.recv.endEmpty(c.toks[cell], c.hows[cell])
			}
			c.Taken(1)
		}
	})
}
