package core

import (
	"sync"
	"sync/atomic"
)

// Composites: tokens made of tokens.
//
// A split is opened by an island whose fused chain can emit several elements for one, before the
// first of them goes out: one member (the token in hand), one part for each element that went out
// and one held by the frame itself until the chain has returned. A merge is opened by a holder when
// it emits: many members, one part. Both are done when the last part has ended and none was
// abandoned, and that fate is then handed on to each member. A split for the branches of a
// Broadcast is also done when some of them have refused it and one has not (refusal.go).
//
// A composite's token carries a generation beside its slot, so that a part that is ended once too
// often is found out under the invariants build tag instead of ending somebody else's.
const (
	slotBits  = 24
	slotMask  = 1<<slotBits - 1
	blockSize = 256
)

type composite struct {
	// Written by whoever ends a part; who ends the last one reads them all and frees the composite.
	parts     atomic.Int32
	abandoned atomic.Bool
	returned  atomic.Bool
	refused   atomic.Int32 // parts that were; of a split for branches without the frame's own
	// of a split: how many went out; the frame's island writes it, before its own part ends
	outs      int32
	merged    bool        // a merge, and not a split
	branches  bool        // a split for the branches of a Broadcast
	untracked bool        // of a merge: it has elements without a token
	void      atomic.Bool // a merge with a member at or after a gap; see cut.go
	// gen is written under the composites' lock, when it is freed; the others when it is made too.
	gen     uint16
	slot    uint32
	members []span
	one     [1]span // a split has one member: no allocation
}

func (c *composite) token() Token {
	return MakeToken(compositeIndex, uint64(c.gen)<<slotBits|uint64(c.slot))
}

type composites struct {
	mu     sync.Mutex
	free   []*composite
	merges int // on their way
	blocks atomic.Pointer[[]*[blockSize]composite]
}

func (cs *composites) at(t Token) *composite {
	slot := uint32(t.Position() & slotMask)
	c := &(*cs.blocks.Load())[slot/blockSize][slot%blockSize]
	if invariants && uint64(c.gen) != t.Position()>>slotBits {
		panic("core: a part of a composite token was ended twice")
	}
	return c
}

func (cs *composites) get() *composite {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if len(cs.free) == 0 {
		var old []*[blockSize]composite
		if p := cs.blocks.Load(); p != nil {
			old = *p
		}
		block := new([blockSize]composite)
		grown := append(old[:len(old):len(old)], block)
		for i := range block {
			block[i].slot = uint32(len(old)*blockSize + i)
			cs.free = append(cs.free, &block[i])
		}
		cs.blocks.Store(&grown)
	}
	c := cs.free[len(cs.free)-1]
	cs.free = cs.free[:len(cs.free)-1]
	return c
}

// split opens a composite of one token with one part, the frame's; branches: those that are added
// are for the branches of a Broadcast.
func (cs *composites) split(t Token, branches bool) Token {
	c := cs.get()
	c.branches = branches
	c.one[0] = span{t, 1}
	c.members = c.one[:]
	c.parts.Store(1)
	return c.token()
}

// merge opens a composite of many tokens with one part. It keeps the slice. The caller holds the
// ledger's cutMu.
func (cs *composites) merge(members []span, untracked bool) Token {
	c := cs.get()
	c.parts.Store(1)
	cs.mu.Lock()
	c.members, c.merged, c.untracked = members, true, untracked
	cs.merges++
	cs.mu.Unlock()
	return c.token()
}

// anyUntracked reports whether some element of tokens has none: of a batch in a batch, or of a
// part of one.
func (cs *composites) anyUntracked(spans []span) bool {
	for _, s := range spans {
		if !s.first.composite() {
			continue
		}
		if c := cs.at(s.first); c.untracked || cs.anyUntracked(c.members) {
			return true
		}
	}
	return false
}

// eachMerge calls f with every merge that is on its way. The caller holds the ledger's cutMu, so
// that none is made meanwhile; none ends while f looks at it.
func (cs *composites) eachMerge(f func(t Token, void bool)) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	blocks := cs.blocks.Load()
	if blocks == nil || cs.merges == 0 {
		return
	}
	for _, block := range *blocks {
		for i := range block {
			if c := &block[i]; c.merged {
				f(c.token(), c.void.Load())
			}
		}
	}
}

// add adds a part to a split, for an output; the frame's island calls it.
func (cs *composites) add(t Token) {
	c := cs.at(t)
	c.outs++
	c.parts.Add(1)
}

func (cs *composites) members(t Token) []span { return cs.at(t).members }

// end ends n parts, or the frame's own. With the last one it frees the composite and returns its
// fate and its members: many, or, where it has but one, that one.
func (cs *composites) end(t Token, n uint32, f fate, own bool) (one span, many []span, how fate, last bool) {
	c := cs.at(t)
	switch f {
	case refused:
		if !c.branches || !own {
			c.refused.Add(int32(n))
		}
	case abandoned:
		c.abandoned.Store(true)
	case returned:
		c.returned.Store(true)
	}
	left := c.parts.Add(-int32(n))
	if invariants && left < 0 {
		panic("core: more parts of a composite token ended than went out")
	}
	if left > 0 {
		return span{}, nil, fine, false
	}
	refusals := c.refused.Load()
	switch {
	case c.abandoned.Load():
		how = abandoned
	case c.returned.Load():
		how = returned
	case refusals > 0 && (!c.branches || refusals == c.outs): // by all branches
		how = refused
	}
	if len(c.members) == 1 {
		one = c.members[0]
	} else {
		many = c.members
	}
	cs.mu.Lock()
	c.gen++
	c.members, c.branches = nil, false
	if c.merged {
		c.merged, c.untracked = false, false
		cs.merges--
		c.void.Store(false)
	}
	c.outs = 0
	if how != fine || refusals > 0 {
		c.abandoned.Store(false)
		c.returned.Store(false)
		c.refused.Store(0)
	}
	cs.free = append(cs.free, c)
	cs.mu.Unlock()
	return one, many, how, true
}
