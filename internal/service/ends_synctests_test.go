//go:build synctests

package service_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/consumer"
	"github.com/vicuna-go/vicuna/settings"
	"github.com/vicuna-go/vicuna/stream"
)

// A member is asked to end before, while and after another one takes partitions from it: a revoke
// comes into the drain, or the drain into the revoke.
func TestEndsAndRevokesMeet(t *testing.T) {
	for _, s := range sources[:plain] {
		for _, p := range protocolsFor(s) {
			t.Run(p.Name+", "+s.name, func(t *testing.T) {
				for after := -600 * time.Millisecond; after <= 1200*time.Millisecond; after += moment() {
					inWorld(t, p, s, graphs[0], slow, func(w *world) {
						first, second := w.member(), w.member()
						w.write()
						first.start()
						first.works(20)
						if after < 0 {
							first.Signal()
							w.Pass(-after)
							second.start()
						} else {
							second.start()
							w.Pass(after)
							first.Signal()
						}
						began := time.Now()
						require.ErrorIs(w.t, first.ended(), stream.ErrDrained)
						require.LessOrEqual(w.t, time.Since(began), longestEnd, "asked to end %v after the other's start", after)
						w.goOn(second, first)
					})
				}
			})
		}
	}
}

// A member ends while a revoke has ended and committed its partitions, and is still in the user's
// function: what the end knows of them is older, and is not committed over that.
func TestEndsWithinARevoke(t *testing.T) {
	for _, s := range sources[:plain] {
		for _, p := range protocols {
			t.Run(p.Name+", "+s.name, func(t *testing.T) {
				var revoked chan struct{}
				s.handle = []consumer.Option{consumer.OnRebalance(consumer.Handler{
					Revoked: func(context.Context, *consumer.Restricted, []consumer.TopicPartition) error {
						select {
						case revoked <- struct{}{}:
						default:
						}
						<-time.After(300 * time.Millisecond)
						return nil
					},
				})}
				inWorld(t, p, s, graphs[0], quick, func(w *world) {
					revoked = make(chan struct{}, 1) // of the bubble
					first, second := w.member(), w.member()
					w.write()
					first.start()
					first.works(50)
					second.start()
					<-revoked
					require.LessOrEqual(w.t, first.terminate(), longestEnd)
					w.goOn(second, first)
				})
			})
		}
	}
}

// A partition comes back to the member that has just given it up, while what it had taken in of it
// still lies in its stages: the other member leaves as soon as it has come.
func TestPartitionsComeBack(t *testing.T) {
	for _, s := range sources[:plain] {
		for _, p := range protocolsFor(s) {
			t.Run(p.Name+", "+s.name, func(t *testing.T) {
				for after := time.Duration(0); after <= 1500*time.Millisecond; after += moment() {
					inWorld(t, p, s, graphs[0], slow, func(w *world) {
						first, second := w.member(), w.member()
						w.write()
						first.start()
						first.works(20)
						second.start()
						w.Pass(after)
						second.terminate()
						if p.Static {
							w.goOn(first, second) // its partitions are nobody else's for a while
							return
						}
						w.goOn(first)
					})
				}
			})
		}
	}
}

// A member is asked to end while its group waits for another one, which is dead or has left and may
// come back: nobody waits with it.
func TestEndsWhileTheGroupWaits(t *testing.T) {
	for _, p := range protocols {
		t.Run(p.Name, func(t *testing.T) {
			inWorld(t, p, sources[committable], graphs[0], quick, func(w *world) {
				m, other := w.member(), w.member()
				w.write()
				m.start()
				m.works(50)
				other.start()
				other.works(50)
				if p.Static {
					other.terminate()
				} else {
					w.stopWriting()
					w.World.Crash(other.Run)
					w.write()
				}
				m.terminate()
				m.start()
				w.Pass(300 * time.Millisecond)
				require.LessOrEqual(w.t, m.terminate(), longestEnd)
			})
		})
	}
}

// goOn lets the members work on for a while and end, those that have ended started again, and
// judges.
func (w *world) goOn(running *member, again ...*member) {
	w.t.Helper()
	for _, m := range again {
		if !m.runs() {
			m.start()
		}
	}
	w.Pass(2 * time.Second)
	w.worked()
	for _, m := range append(again, running) {
		m.terminate()
	}
	w.requireClean()
}

// A member that is asked to end twice, in whatever way, ends as if it had been asked once.
func TestAskedToEndTwice(t *testing.T) {
	drain := func(m *member) { _ = m.Run.Drain(context.Background()) }
	cancel := func(m *member) { m.Signal() }
	for name, twice := range map[string][2]func(*member){
		"two signals":        {cancel, cancel},
		"a drain, a signal":  {drain, cancel},
		"a signal, a drain":  {cancel, drain},
		"two drains at once": {drain, drain},
	} {
		for _, p := range protocols {
			t.Run(name+", "+p.Name, func(t *testing.T) {
				inWorld(t, p, sources[committable], graphs[0], slow, func(w *world) {
					first, second := w.member(), w.member()
					w.write()
					first.start()
					second.start()
					first.works(10)
					second.works(10)
					began, asked := time.Now(), make(chan struct{}, 2)
					for _, ask := range twice {
						go func() {
							ask(first)
							asked <- struct{}{}
						}()
						w.Pass(100 * time.Millisecond)
					}
					<-asked
					<-asked
					require.ErrorIs(w.t, first.ended(), stream.ErrDrained)
					require.LessOrEqual(w.t, time.Since(began), longestEnd)
					w.goOn(second, first)
				})
			})
		}
	}
}

// A stop after a drain gives up what runs, and says so; what was written and not committed comes
// again, and nothing else.
func TestStopAfterADrain(t *testing.T) {
	for _, s := range sources[:atMostOnce] {
		for _, p := range protocols {
			t.Run(s.name+", "+p.Name, func(t *testing.T) {
				inWorld(t, p, s, graphs[0], slow, func(w *world) {
					m := w.member()
					w.write()
					m.start()
					m.works(50)
					w.Pass(100 * time.Millisecond)
					m.Signal()
					w.Pass(100 * time.Millisecond)
					m.Run.Stop()
					err := m.ended()
					require.ErrorIs(t, err, stream.ErrStopped)
					require.NotErrorIs(t, err, stream.ErrDrained, "calls were given up")
					m.start()
					m.works(50)
					w.worked()
					m.terminate()
					v := w.judge()
					require.Zero(t, v.Lost, v)
					require.Zero(t, v.Overtaken, v)
					require.LessOrEqual(t, v.Doubled, parts*workers, v)
				})
			})
		}
	}
}

// A dependency that is away for a second while a member ends, or while another one takes partitions
// from it, is waited for.
func TestEndsWhileTheDependencyIsAway(t *testing.T) {
	for _, s := range sources[:plain] {
		for i, g := range graphsFor(s) {
			p := protocols[i%len(protocols)]
			t.Run(fmt.Sprintf("%s, %s, %s", s.name, g.name, p.Name), func(t *testing.T) {
				inWorld(t, p, s, g, quick, func(w *world) {
					first, second := w.member(), w.member()
					w.write()
					first.start()
					first.works(100)
					for _, ends := range []bool{false, true} {
						w.down.Store(true)
						back := time.AfterFunc(time.Second, func() { w.down.Store(false) })
						if ends {
							first.terminate()
							first.start()
						} else {
							second.start()
							second.works(1)
						}
						back.Stop()
						w.down.Store(false)
						w.Pass(500 * time.Millisecond)
					}
					w.goOn(first, second)
				})
			})
		}
	}
}

// A dependency that is down while another member takes partitions: the deadline of the revoke ends
// the wait for it.
func TestRevokeWhileTheDependencyIsDown(t *testing.T) {
	for _, s := range sources[:atMostOnce] {
		for i, g := range graphsFor(s) {
			p := protocols[i%len(protocols)]
			t.Run(fmt.Sprintf("%s, %s, %s", s.name, g.name, p.Name), func(t *testing.T) {
				inWorld(t, p, s, g, quick, func(w *world) {
					w.more = []settings.ConsumerOption{settings.RevokeTimeout(downTimeout)}
					first, second := w.member(), w.member()
					w.write()
					first.start()
					first.works(100)
					w.down.Store(true)
					w.Pass(200 * time.Millisecond)
					second.start()
					// in cooperative groups the revoke begins with a second join
					w.Pass(3 * downTimeout)
					w.down.Store(false)
					second.works(100)
					w.worked()
					first.terminate()
					second.terminate()
					w.requireNoGap()
				})
			})
		}
	}
}

// requireNoGap wants that nothing is lost, and nothing after what was given up was written before
// it.
func (w *world) requireNoGap() {
	w.t.Helper()
	v := w.judge()
	require.Zero(w.t, v.Foreign, v)
	require.Zero(w.t, v.Lost, v)
	if w.graph.unordered {
		return
	}
	require.Zero(w.t, v.Overtaken, v)
	if !w.graph.apart {
		require.Zero(w.t, v.Doubled, v)
	}
}

// downTimeout is how long a drain may last while the dependency is down.
const downTimeout = 4 * time.Second

// A dependency that is down while a member ends: it ends at its time-out and says so, nothing after
// what was given up is written, and the next one goes on from there.
func TestEndsWhileTheDependencyIsDown(t *testing.T) {
	for _, s := range sources[:atMostOnce] {
		for i, g := range graphs {
			p := protocols[i%len(protocols)]
			t.Run(fmt.Sprintf("%s, %s, %s", s.name, g.name, p.Name), func(t *testing.T) {
				inWorld(t, p, s, g, quick, func(w *world) {
					m := w.member()
					w.write()
					m.start(stream.DrainTimeout(downTimeout))
					m.works(100)
					w.down.Store(true)
					w.Pass(200 * time.Millisecond)
					began := time.Now()
					m.Signal()
					err := m.ended()
					took := time.Since(began)
					t.Logf("it ended after %v: %v", took, err)
					require.ErrorIs(t, err, stream.ErrDrainTimeout)
					require.NotErrorIs(t, err, stream.ErrDrained, "calls were given up")
					require.LessOrEqual(t, took, downTimeout+time.Second)
					w.down.Store(false)
					m.start()
					m.works(100)
					w.worked()
					m.terminate()
					w.requireNoGap()
				})
			})
		}
	}
}
