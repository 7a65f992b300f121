package memory

import "sync/atomic"

// Lease is memory that several deliveries hold together: those of one response of a broker, where
// records point into it. It is given back when the last of them is finished.
type Lease struct {
	left    atomic.Int64                   // holders; any of them changes it
	bytes   atomic.Int64                   // written by its maker alone, read by any goroutine
	records int                            // the maker's, until the last holder reads it
	free    func(bytes int64, records int) // written by NewLease
	parent  *Lease                         // held until this one is given back
}

// NewLease makes a lease that its maker holds too, until it calls Done. free must not block.
func NewLease(free func(bytes int64, records int)) *Lease {
	l := &Lease{free: free}
	l.left.Store(1)
	return l
}

// Under makes it a holder of another, which it keeps alive.
func (l *Lease) Under(parent *Lease) *Lease {
	parent.Hold()
	l.parent = parent
	return l
}

// Bytes is what it and what is above it hold.
func (l *Lease) Bytes() int64 {
	if l == nil {
		return 0
	}
	return l.bytes.Load() + l.parent.Bytes()
}

// Add puts one more delivery under the lease; its maker does.
func (l *Lease) Add(bytes int64, records int) {
	l.left.Add(1)
	l.bytes.Add(bytes)
	l.records += records
}

// Hold adds a holder, which calls Done later; any holder may.
func (l *Lease) Hold() { l.left.Add(1) }

// Done takes a holder off.
func (l *Lease) Done() {
	if l.left.Add(-1) == 0 {
		l.free(l.bytes.Load(), l.records)
		if l.parent != nil {
			l.parent.Done()
		}
	}
}
