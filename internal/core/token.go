package core

import "fmt"

// Token identifies one delivery of one record: the index of the assignment that issued it (24 bits)
// and its position in it (40 bits). It is one word so that it can lie beside an element without
// weight for the garbage collector. The zero Token is none.
//
// An index is never used again by the same ledger: a late acknowledgement of an earlier assignment
// cannot mark a new one. Positions are dense delivery numbers, not offsets (offsets have gaps).
type Token uint64

const (
	positionBits = 40
	positionMask = 1<<positionBits - 1
	maxIndex     = 1<<24 - 1

	compositeIndex = 1 // tokens of the ledger's own composites: splits and merges
	firstIndex     = 2 // the first index that an assignment can get
)

// MakeToken returns the token of a position of the assignment with the given index.
func MakeToken(index uint32, position uint64) Token {
	return Token(uint64(index)<<positionBits | position&positionMask)
}

// Index is the index of the assignment; 0 where there is no token.
func (t Token) Index() uint32 { return uint32(t >> positionBits) }

// Position is the position within the assignment.
func (t Token) Position() uint64 { return uint64(t) & positionMask }

func (t Token) String() string {
	if t == 0 {
		return "none"
	}
	return fmt.Sprintf("%d:%d", t.Index(), t.Position())
}

func (t Token) composite() bool { return t.Index() == compositeIndex }

// span is a run of tokens: n consecutive positions of one assignment, or n parts of one composite.
type span struct {
	first Token
	n     uint32
}

// joins reports whether t continues the span.
func (s span) joins(t Token) bool {
	if t.composite() {
		return t == s.first
	}
	return t == s.first+Token(s.n)
}
