package core

import "sync/atomic"

// Outcome is what a call of a stage with workers came to.
type Outcome uint32

const (
	Emit   Outcome = slotResult  // the value goes on
	Finish Outcome = slotDone    // nothing goes on, the element is finished
	GiveUp Outcome = slotGivenUp // nothing goes on, the element must be delivered again
)

// Window is the number of elements that a stage with n workers takes in ahead: enough that one slow call in fifty keeps the others busy.
func Window(n int) int { return max(1024, 64*n) }

// MapAsync is a stage that runs up to n calls at once. Results go on in input order, or, where unordered, as they come.
type MapAsync[A, B any] struct {
	Name      string
	N         int
	Unordered bool
	// Call works on one element, on a worker's goroutine.
	Call func(a A, t Token, s *StageInfo) (B, Outcome)
}

// Attach builds the stage; the results are driven by a new island whose chain next builds.
func (m MapAsync[A, B]) Attach(at At, next func(At) Stage[B]) Stage[A] {
	r := at.Island.run
	recv := r.NewIsland()
	st := next(At{Island: recv, Scope: at.Scope})
	info := at.Island.AddStage(m.Name)
	if m.Unordered {
		return attachUnordered(m, at, recv, st, info)
	}
	s := NewSlots[B](at, Window(m.N), recv)
	info.Buffers(s.Len)
	ins := make([]A, s.Size())
	w := newWorkers(r, m.N, m.Name)
	var claimed atomic.Uint64
	w.backlog = func() bool { return claimed.Load() < s.tail.Load() }
	w.claim = func() (uint64, bool) {
		for {
			c := claimed.Load()
			if c >= s.tail.Load() {
				return 0, false
			}
			if claimed.CompareAndSwap(c, c+1) {
				return c, true
			}
		}
	}
	w.work = func(slot uint64) {
		i := slot & s.mask
		a := ins[i]
		var none A
		ins[i] = none
		switch {
		case s.cancelled.Load():
			s.settle(slot, slotResult) // refused: the scope says what that means
			return
		case r.unwanted(s.toks[i]):
			s.GiveUp(slot)
			return
		}
		info.Calls.Add(1)
		b, how := m.Call(a, s.toks[i], info)
		info.Calls.Add(-1)
		if how == Emit {
			s.vals[i] = b
		}
		s.settle(slot, uint32(how))
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

// unwanted reports whether the token's partition was taken away: nobody wants the element any more.
func (r *Run) unwanted(t Token) bool {
	return r.attention.Load()&attendDrop != 0 && r.Ledger.Dropped(t)
}

// cells is the transport of an unordered stage: elements lie in cells that any order can free. Cell numbers travel through three rings: free (receiver
// to sender), in (sender to workers), out (workers to receiver, by ticket). A number is in one of them at a time, so none can overflow.
type cells[A, B any] struct {
	ins   []A
	outs  []B
	toks  []Token
	hows  []uint32
	seqs  []uint64 // how many were sent before
	mask  uint64
	scope *Scope

	send     *Island
	sendLink *Link
	recv     *Island

	free     []uint32
	freeTail atomic.Uint64
	freeHead uint64

	in     []atomic.Uint32
	inTail atomic.Uint64
	claim  atomic.Uint64

	out     []atomic.Uint32
	tickets atomic.Uint64
	taken   atomic.Uint64
	lhead   uint64
	sweep   sweep
	before  uint64 // of those that were sent before the sweep, and not taken

	closed    atomic.Bool
	cancelled atomic.Bool
}

func attachUnordered[A, B any](m MapAsync[A, B], at At, recv *Island, st Stage[B], info *StageInfo) Stage[A] {
	n := 1
	for n < Window(m.N) {
		n *= 2
	}
	c := &cells[A, B]{
		ins: make([]A, n), outs: make([]B, n), toks: make([]Token, n), hows: make([]uint32, n), seqs: make([]uint64, n), mask: uint64(n - 1),
		scope: at.Scope, send: at.Island, recv: recv, sendLink: &Link{},
		free: make([]uint32, n), in: make([]atomic.Uint32, n), out: make([]atomic.Uint32, n),
	}
	for i := range c.free {
		c.free[i] = uint32(i)
	}
	c.freeTail.Store(uint64(n))
	at.Island.outputs = append(at.Island.outputs, c)
	info.Buffers(func() int { return max(0, int(c.inTail.Load())-int(c.taken.Load())) })
	r := at.Island.run
	w := newWorkers(r, m.N, m.Name)
	w.backlog = func() bool { return c.claim.Load() < c.inTail.Load() }
	w.claim = func() (uint64, bool) {
		for {
			k := c.claim.Load()
			if k >= c.inTail.Load() {
				return 0, false
			}
			// Before the claim: the place in the ring may be written again as soon as it is claimed.
			cell := c.in[k&c.mask].Load()
			if c.claim.CompareAndSwap(k, k+1) {
				return uint64(cell), true
			}
		}
	}
	w.work = func(cell uint64) {
		a := c.ins[cell]
		var none A
		c.ins[cell] = none
		how := GiveUp
		switch {
		case c.cancelled.Load():
			how = Emit // refused: the scope says what that means
		case !r.unwanted(c.toks[cell]):
			info.Calls.Add(1)
			c.outs[cell], how = m.Call(a, c.toks[cell], info)
			info.Calls.Add(-1)
		}
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
			if c.freeHead == c.freeTail.Load() && !c.send.Await(c.hasCell) || c.cancelled.Load() {
				c.send.Refuse(c.scope)
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

func (c *cells[A, B]) hasCell() bool {
	return c.freeHead != c.freeTail.Load() || c.cancelled.Load()
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
		case slotDone:
			c.recv.Done(c.toks[cell])
		default:
			c.recv.abandonToken(c.toks[cell])
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

// Cancel refuses what is finished and what will be: the receiver stays until the calls that run have come back.
func (c *cells[A, B]) Cancel() {
	c.scope.End()
	c.cancelled.Store(true)
	c.send.Wake()
	c.recv.Await(func() bool {
		for {
			cell, ok := c.front()
			if !ok {
				return c.closed.Load() && c.inTail.Load() == c.lhead
			}
			switch c.hows[cell] {
			case slotDone:
				c.recv.Done(c.toks[cell])
			case slotGivenUp:
				c.recv.abandonToken(c.toks[cell])
			default:
				c.recv.refuseToken(c.toks[cell], c.scope)
			}
			c.Taken(1)
		}
	})
}
