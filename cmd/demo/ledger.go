package main

import (
	"encoding/binary"
	"hash/maphash"
	"math/bits"
)

// seed makes the checksums of this process its own: they are compared and never shown.
var seed = maphash.MakeSeed()

// checksum is the sum of hashes: the same whatever the order.
type checksum uint64

func (c *checksum) add(hash uint64) { *c += checksum(hash) }

// contents is the hash of a record: its line's number, its key, its value.
func contents(number uint64, keyed bool, key string, value []byte) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	var head [17]byte
	binary.LittleEndian.PutUint64(head[:], number)
	binary.LittleEndian.PutUint64(head[8:], uint64(len(key)))
	if keyed {
		head[16] = 1
	}
	h.Write(head[:])
	h.WriteString(key)
	h.Write(value)
	return h.Sum64()
}

// ledger knows which lines there are, with a bit for each, and their contents' checksum.
type ledger struct {
	records  uint64 // how often add was called
	repeated uint64 // of these, for a line that was there
	contents checksum
	highest  uint64 // the number of the last line
	bits     []uint64
}

func (l *ledger) add(number, hash uint64) {
	l.records++
	l.contents.add(hash)
	l.highest = max(l.highest, number)
	word, bit := number/64, uint64(1)<<(number%64)
	for uint64(len(l.bits)) <= word {
		l.bits = append(l.bits, 0)
	}
	if l.bits[word]&bit != 0 {
		l.repeated++
	}
	l.bits[word] |= bit
}

// without returns how many lines are here and not there, and the first of them.
func (l *ledger) without(other *ledger) (n, first uint64) {
	for i, word := range l.bits {
		if i < len(other.bits) {
			word &^= other.bits[i]
		}
		if n == 0 && word != 0 {
			first = uint64(i)*64 + uint64(bits.TrailingZeros64(word))
		}
		n += uint64(bits.OnesCount64(word))
	}
	return n, first
}
