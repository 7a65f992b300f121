package reader

import (
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/vicuna-go/vicuna/internal/fault"
	"github.com/vicuna-go/vicuna/internal/kclient"
	"github.com/vicuna-go/vicuna/internal/topics"
)

// What keeps a client out of its group, each told once until the group has given it partitions.
const (
	refused     = "group"       // the group does not take it
	unreachable = "coordinator" // nobody is there to take it
	joining     = "join"        // the group waits for another member
)

// warnNotTaken tells once why the client's session with its group has ended: the group refuses it,
// or the coordinator cannot be reached, which is nobody's refusal.
func (s *rebalancer) warnNotTaken(err error) {
	switch {
	case !noCoordinator(err):
		if s.outages.Begins(refused) {
			s.log.Warn("vicuna: the group refuses this member; the client joins again until it is taken", "group", s.cfg.Group(), "error", err)
		}
	case s.outages.Begins(unreachable):
		s.log.Warn("vicuna: the group's coordinator cannot be reached; the client joins again when it can", "group", s.cfg.Group(), "error", err)
	}
}

// noCoordinator reports whether a session has ended because nobody coordinates the group: the
// broker cannot be reached, or brokers say that they do not, or not yet.
func noCoordinator(err error) bool {
	var code *kerr.Error
	if errors.As(err, &code) {
		return fault.Any(err, kerr.CoordinatorNotAvailable, kerr.CoordinatorLoadInProgress, kerr.NotCoordinator,
			kerr.BrokerNotAvailable, kerr.NetworkException, kerr.RequestTimedOut)
	}
	return kclient.Network(err)
}

// tellTaken takes back what was told: the group has this member.
func (s *rebalancer) tellTaken() {
	for _, over := range []struct{ key, text string }{
		{refused, "vicuna: the group has this member again"},
		{unreachable, "vicuna: the group's coordinator is reached again, and has this member"},
		{joining, "vicuna: the group's join is over"},
	} {
		if took, was := s.outages.Over(over.key); was {
			s.log.Info(over.text, "group", s.cfg.Group(), "after", took)
		}
	}
}

// warnLost tells that partitions were lost, and why as far as that is known. While the coordinator
// cannot be reached nobody can know who has them.
func (s *rebalancer) warnLost(ps []topics.Partition) {
	since, silent := s.coordinator.Silent()
	if !silent {
		s.log.Warn("vicuna: partitions were lost: the group no longer has this member as the one that it gave them to, another may have them, "+
			"and what was in flight will be delivered again", "group", s.cfg.Group(), "partitions", topics.Summary(ps))
		return
	}
	s.log.Warn("vicuna: partitions were lost: the group's coordinator cannot be reached, and what was in flight will be delivered again",
		"group", s.cfg.Group(), "partitions", topics.Summary(ps), "unheard_for", since.Round(time.Millisecond))
}

// joinPatience is how long a member waits for its partitions before that is told. It is shorter
// than half of a session: the wait is over when a dead member's session is.
func (s *rebalancer) joinPatience() time.Duration {
	return min(5*time.Second, s.cfg.SessionTimeout()/3)
}

// watchJoins tells of a join that keeps the client without partitions. It is as long as the slowest
// of the other members takes; one that has died is waited for until its session is over, and the
// member that takes its place after a restart is silent meanwhile.
func (s *rebalancer) watchJoins(quit <-chan struct{}) {
	begins := make(chan struct{}, 1)
	defer s.joins.Watch(func() {
		select {
		case begins <- struct{}{}:
		default:
		}
	})()
	patience := s.joinPatience()
	due := time.NewTimer(patience)
	defer due.Stop()
	for {
		select {
		case <-quit:
			return
		case <-begins:
		case <-due.C:
		}
		switch took, on := s.joins.Took(); {
		case !on:
			due.Stop() // the next join that begins starts it
		case took < patience:
			due.Reset(patience - took)
		default:
			s.tellJoining(took)
		}
	}
}

// tellJoining tells once that the client waits in a join, where it has no partitions meanwhile.
func (s *rebalancer) tellJoining(took time.Duration) {
	s.mu.Lock()
	has := s.parts.Len() > 0
	s.mu.Unlock()
	if _, silent := s.coordinator.Silent(); has || silent || s.over() || !s.outages.Begins(joining) {
		return
	}
	s.log.Info("vicuna: this member waits for its partitions: its group's join waits for another member, which may have to time out first "+
		"(settings.SessionTimeout) if it has died, or to finish a revoke", "group", s.cfg.Group(), "waited", took.Round(time.Millisecond),
		"session_timeout", s.cfg.SessionTimeout())
}
