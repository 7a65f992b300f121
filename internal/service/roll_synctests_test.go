//go:build synctests

package service_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	// longestEnd is how long the end of a member may take where what it calls is well: the calls
	// that run, and those that are made again, for each stage that calls something.
	longestEnd = 2 * time.Second
	// longestJoin is how long a new member may wait for its partitions.
	longestJoin = 3 * time.Second
)

// A service is restarted again and again, in all protocols.
func TestServiceRolls(t *testing.T) {
	for _, p := range protocols {
		t.Run(p.Name, func(t *testing.T) {
			inWorld(t, p, sources[committable], graphs[0], quick, func(w *world) { w.roll(12) })
		})
	}
}

// The same with slow calls.
func TestSlowServiceRolls(t *testing.T) {
	g := graphs[0]
	for _, p := range protocols {
		t.Run(p.Name, func(t *testing.T) {
			inWorld(t, p, sources[committable], g, slow, func(w *world) { w.roll(12) })
		})
	}
}

// All shapes of services, from all sources that commit, each in one of the protocols.
func TestServicesOfAllShapesRoll(t *testing.T) {
	n := 0
	for _, s := range sources[:plain] {
		t.Run(s.name, func(t *testing.T) {
			for _, g := range graphs {
				in := protocols[n%len(protocols) : n%len(protocols)+1]
				if all() {
					in = protocols
				}
				n++
				for _, p := range in {
					t.Run(g.name+", "+p.Name, func(t *testing.T) {
						inWorld(t, p, s, g, quick, func(w *world) { w.roll(4) })
					})
				}
			}
			n++ // so that the next source has other protocols
		})
	}
}

// roll restarts members under load, one after the other, while guests join and leave.
func (w *world) roll(restarts int) {
	w.t.Helper()
	w.write()
	var members []*member
	for range 3 {
		m := w.member()
		m.start()
		members = append(members, m)
		m.works(50)
	}
	var guest *member
	var slowestEnd, slowestJoin time.Duration
	ends := func(m *member) { slowestEnd = max(slowestEnd, m.terminate()) }
	for i := range restarts {
		m := members[i%len(members)]
		m.works(1)
		w.Pass(rand.N(300 * time.Millisecond))
		ends(m)
		switch i % 4 {
		case 0:
			guest = w.member()
			if w.protocol.Static {
				m.start() // the group waits for it before it gives anything to anybody
			}
			guest.start()
			slowestJoin = max(slowestJoin, guest.assigned())
		case 2:
			guest.works(1)
			ends(guest)
			guest = nil
		}
		if !m.runs() {
			m.start()
		}
	}
	w.worked()
	for _, m := range append(members, guest) {
		if m != nil {
			ends(m)
		}
	}
	w.t.Logf("%d orders, %d restarts, the slowest end took %v, the slowest join %v", sum(w.Sent()), restarts, slowestEnd, slowestJoin)
	w.requireClean()
	require.LessOrEqual(w.t, slowestEnd, longestEnd*time.Duration(w.graph.begins))
	join := longestJoin
	if w.protocol.Static {
		// one that has gone stays in the group for so long, and the next join waits for it
		join += session
	}
	require.LessOrEqual(w.t, slowestJoin, join)
}
