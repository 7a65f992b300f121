package tracker_test

import (
	"math/rand/v2"
	"testing"

	"github.com/vicuna-go/vicuna/internal/tracker"
)

// A stream in order marks 64 positions at a time.
func BenchmarkInOrder(b *testing.B) {
	tr := tracker.New(tracker.Options{})
	b.ReportAllocs()
	for i := 0; i < b.N; i += 1024 {
		p := tr.DeliveredRun(1024, int64(i), 0)
		for w := range uint64(16) {
			tr.Done(p+64*w, ^uint64(0))
		}
	}
}

// A stream without order marks one at a time.
func BenchmarkShuffled(b *testing.B) {
	tr := tracker.New(tracker.Options{})
	perm := rand.New(rand.NewPCG(1, 2)).Perm(1024)
	b.ReportAllocs()
	for i := 0; i < b.N; i += 1024 {
		p := tr.DeliveredRun(1024, int64(i), 0)
		for _, k := range perm {
			at := p + uint64(k)
			tr.Done(at&^63, 1<<(at&63))
		}
	}
}

// Every record is handed over and committed.
func BenchmarkHandOver(b *testing.B) {
	tr := tracker.New(tracker.Options{})
	b.ReportAllocs()
	for i := 0; i < b.N; i += 1024 {
		p := tr.DeliveredRun(1024, int64(i), 0)
		for k := range uint64(1024) {
			at := p + k
			tr.HandOver(at&^63, 1<<(at&63), "toChan")
			tr.Done(at&^63, 1<<(at&63))
			tr.Commit(at)
		}
	}
}

// Every record is handed over and answered by another graph.
func BenchmarkAnswer(b *testing.B) {
	tr := tracker.New(tracker.Options{})
	b.ReportAllocs()
	for i := 0; i < b.N; i += 1024 {
		p := tr.DeliveredRun(1024, int64(i), 0)
		for k := range uint64(1024) {
			at := p + k
			tr.HandOver(at&^63, 1<<(at&63), "toChan")
			tr.Done(at&^63, 1<<(at&63))
			tr.Answer(at)
		}
	}
}

// Every record is handed over twice, by two stages.
func BenchmarkAnswerTwice(b *testing.B) {
	tr := tracker.New(tracker.Options{})
	b.ReportAllocs()
	for i := 0; i < b.N; i += 1024 {
		p := tr.DeliveredRun(1024, int64(i), 0)
		for k := range uint64(1024) {
			at := p + k
			tr.HandOver(at&^63, 1<<(at&63), "toChan")
			tr.HandOver(at&^63, 1<<(at&63), "toChan-2")
			tr.Done(at&^63, 1<<(at&63))
			tr.Answer(at)
			tr.Answer(at)
		}
	}
}

// Compacted topics: no offset follows its neighbour.
func BenchmarkGaps(b *testing.B) {
	tr := tracker.New(tracker.Options{})
	b.ReportAllocs()
	for i := 0; i < b.N; i += 1024 {
		p := tr.Delivered(1024, func(k int) (int64, int32) { return int64(i+k) * 2, 0 })
		for w := range uint64(16) {
			tr.Done(p+64*w, ^uint64(0))
		}
	}
}
