package core

import "time"

// Deadlines of ends: until when what has begun is tried again.
//
// Who waits for a run's last elements, a drain or a revoke, waits until a deadline. Retries go on
// until shortly before it, so that what is finished can still be committed. Then the element is
// given up, and what lies before it goes on.

// giveUpMargin is what is kept of a wait for the last commit.
func giveUpMargin(wait time.Duration) time.Duration { return min(5*time.Second, wait/4) }

// shortestPause is the pause between attempts below which an element is given up instead.
const shortestPause = 10 * time.Millisecond

// When somebody waits, a pause takes no more than this part of what is left of the time, and no
// more than a second: what failed for a moment holds nobody up for long, whatever back-off it has.
const (
	pausesInAnEnd       = 8
	longestPauseInAnEnd = time.Second
)

// Wait says how long to wait between two attempts at an element.
type Wait uint8

const (
	// TryAgain: the pause is over.
	TryAgain Wait = iota
	// KeepWaiting: until the time that was told.
	KeepWaiting
	// OutOfTime: whoever waits for the element does not wait long enough; it is given up.
	OutOfTime
	// CutAway: the element lies after the cut, and is thrown away.
	CutAway
)

// Retry tells what to do now in the pause that began with a failure and lasts until due: how to go
// on, and until when to wait, which is due from now on. It is asked again whenever the run is
// poked, or the hurry was raised.
func (r *Run) Retry(t Token, due time.Time) (Wait, time.Time) {
	now := time.Now()
	if r.CutOff(t) {
		return CutAway, now
	}
	if !now.Before(due) {
		return TryAgain, due
	}
	if at, ok := r.giveUpAt(t); ok {
		part := at.Sub(now) / pausesInAnEnd
		if part < shortestPause {
			if t != 0 {
				return OutOfTime, now
			}
		} else if soon := now.Add(min(part, longestPauseInAnEnd)); soon.Before(due) {
			due = soon
		}
	}
	return KeepWaiting, due
}

// giveUpAt tells when retries of an element end: the earliest deadline of those who wait for it.
func (r *Run) giveUpAt(t Token) (at time.Time, ok bool) {
	earliest := r.drainUntil.Load()
	if t != 0 && r.Ledger.leaving.Load() > 0 {
		r.Ledger.positions(t, func(e *entry, _, _ uint64) bool {
			if e != nil {
				if d := e.deadline.Load(); d != 0 && (earliest == 0 || d < earliest) {
					earliest = d
				}
			}
			return false
		})
	}
	if earliest == 0 {
		return time.Time{}, false
	}
	return r.start.Add(time.Duration(earliest)), true
}
