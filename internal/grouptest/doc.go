// Package grouptest is the world in which this module tests what a group does: a broker with a
// topic, members that read it in any protocol, a journal of what the broker saw, what was logged,
// and what was delivered.
//
//	func TestASecondMemberTakesOver(t *testing.T) {
//		grouptest.Each(t, grouptest.Protocols, 2, func(t *testing.T, w *grouptest.World, p grouptest.Protocol) {
//			w.Fill(2, 0, 1000)
//			done := w.Guarded(nil) // no commit may come before what it covers
//			work := func(ctx context.Context, m *grouptest.Message) error {
//				err := grouptest.Idle(ctx, time.Millisecond)
//				done.Add(&m.Record)
//				return err
//			}
//			first, second := w.Member(p.Member(0)...), w.Member(p.Member(1)...)
//			first.Start(first.Works(work))
//			w.Until("a hundred are done", func() bool { return done.Count() > 100 })
//			second.Start(second.Works(work))
//			w.Share(first, second)
//			first.Crash()
//			w.AwaitCommitted(0, 1000)
//			w.AwaitCommitted(1, 1000)
//			done.Verify(w.Sent()).RequireNothingLost(t)
//			second.Drain()
//		})
//	}
//
// # Time
//
// With the build tag synctests a world is in a bubble of testing/synctest: time moves only when
// nothing else can, and costs nothing. Without the tag it is on TCP, in real time. A test that says
// nothing of how long something takes can run in both; others stand in files with the constraint
// //go:build synctests. Nothing sleeps: tests wait for events ([World.Until], [World.Await],
// [Member.AwaitPartitions], [Journal.AwaitCommit]), for a bounded time, and a failure says what was
// there instead; or they let time pass and look at what has not happened ([World.Pass]).
//
// # Judging
//
// Records are numbered, and their values say which they are ([Value]). [Deliveries] keep what has
// come; [Deliveries.Verify] says what is lost, doubled, overtaken, and nobody's, and which commits
// came before what they cover.
//
// # Faults
//
// The broker's own are kafkatest's, as a World is a Broker. A member is ended by [Member.Drain],
// [Member.Terminate] (SIGTERM), [Member.Stop] and [Member.Crash], and cut off by its [Wire].
// Members of other makes are plain clients: [World.Stranger], [World.DeadStranger].
package grouptest
