package settings

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// The bounds of a consumer: where the client or the broker has one, theirs.
const (
	maxConsumerRequest = 15 * time.Minute
	minGroupTime       = 100 * time.Millisecond // session and rebalance
	minHeartbeat       = time.Millisecond
	minFetchWait       = 10 * time.Millisecond
	maxName            = 249     // of a topic and of a static member
	maxTrackLimit      = 1 << 30 // a bit each
	smallBudget        = fetchShare * minFetch
)

// validate checks the values against each other and sets err and warnings. It
// finds everything there is to find: nothing returns early.
func (c *consumerConfig) validate() {
	v := &verdict{problems: slices.Clone(c.faults)}
	raw := inspectRaw(c.raw, consuming)
	v.problems = append(v.problems, raw.problems...)

	c.dialTimeout = raw.dialTimeout

	c.checkClient(v)
	c.checkKinds(v)
	c.checkGroup(v)
	c.checkMemory(v, raw.maxReadBytes)
	c.checkTimes(v)
	c.conclude(v)
}

func (c *consumerConfig) checkKinds(v *verdict) {
	if c.protocol < CooperativeSticky || c.protocol > ConsumerProtocol {
		v.problem("Protocol", "group.protocol", c.protocol.String(), "is none of CooperativeSticky, Eager, ConsumerProtocol")
	}
	if c.isolation < ReadUncommitted || c.isolation > ReadCommitted {
		v.problem("Isolation", "isolation.level", c.isolation.String(), "is none of ReadUncommitted, ReadCommitted")
	}
	if c.start < Earliest || c.start > Latest {
		v.problem("StartFrom", "auto.offset.reset", c.start.String(), "is none of Earliest, Latest")
	}
	if c.outOfRange < FailOutOfRange || c.outOfRange > ToLatest {
		v.problem("OutOfRange", "auto.offset.reset", c.outOfRange.String(), "is none of FailOutOfRange, ToEarliest, ToLatest")
	}
	if c.undecodable < FailUndecodable || c.undecodable > DeliverUndecodable {
		v.problem("Undecodable", "", c.undecodable.String(), "is none of FailUndecodable, SkipUndecodable, DeliverUndecodable")
	}
}

func (c *consumerConfig) checkGroup(v *verdict) {
	if c.has("Group") && c.group == "" {
		v.problem("Group", "group.id", `""`, "must not be empty; leave it out for a consumer without a group")
	}
	if c.has("InstanceID") {
		reason := badName(c.instanceID)
		if c.instanceID == "" {
			reason += "; leave it out for a dynamic member"
		}
		if reason != "" {
			v.problem("InstanceID", "group.instance.id", quote(c.instanceID), "%s", reason)
		}
		if !c.has("Group") {
			v.problem("InstanceID", "group.instance.id", quote(c.instanceID), "is a member's of a group; Group (group.id) is missing")
		}
	}
	if c.protocol != ConsumerProtocol {
		return
	}
	for _, option := range []string{"SessionTimeout", "HeartbeatInterval"} {
		if c.has(option) {
			v.warn("%s is the broker's to decide with ConsumerProtocol; what was given counts only with a broker that does not know the protocol", option)
		}
	}
}

// badName returns what is wrong with the name of a topic or the id of a static member,
// for which the broker has one rule, or "".
func badName(id string) string {
	switch {
	case id == "":
		return "must not be empty"
	case len(id) > maxName:
		return "has " + strconv.Itoa(len(id)) + " bytes, at most " + strconv.Itoa(maxName) + " are allowed"
	case id == "." || id == "..":
		return "is not allowed"
	case strings.ContainsFunc(id, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '.' && r != '_' && r != '-'
	}):
		return "may have letters, digits, dots, underscores and hyphens only"
	}
	return ""
}

func (c *consumerConfig) checkMemory(v *verdict, maxReadBytes int) {
	switch {
	case c.budgetBytes <= 0:
		v.problem("Budget", "", strconv.Itoa(c.budgetBytes)+" bytes", "must be above 0; math.MaxInt is for no limit by bytes")
	case c.budgetBytes < smallBudget:
		v.warn("the budget of %d bytes is below %d: one fetch may bring %d from each broker all the same", c.budgetBytes, smallBudget, minFetch)
	}
	if c.budgetRecords <= 0 {
		v.problem("Budget", "", strconv.Itoa(c.budgetRecords)+" records", "must be above 0; math.MaxInt is for no limit by records")
	}
	if c.trackLimit <= 0 || c.trackLimit > maxTrackLimit {
		v.problem("TrackLimit", "", strconv.Itoa(c.trackLimit), "must be from 1 to %d", maxTrackLimit)
	}
	switch fetch := c.fetchMaxBytes(); {
	case c.fetchMinBytes < 1:
		v.problem("FetchMinBytes", "fetch.min.bytes", strconv.Itoa(c.fetchMinBytes), "must be at least 1")
	case c.fetchMinBytes > fetch:
		v.problem("FetchMinBytes", "fetch.min.bytes", strconv.Itoa(c.fetchMinBytes), "is above what a fetch may bring, %d bytes, which follows from the Budget", fetch)
	}
	if fetch := c.fetchMaxBytes(); maxReadBytes < fetch {
		v.problem("kgo.BrokerMaxReadBytes", "", strconv.Itoa(maxReadBytes), "is below what a fetch may bring, %d bytes, which follows from the Budget", fetch)
	}
}

func (c *consumerConfig) checkTimes(v *verdict) {
	between := func(setting, java string, d, least, most time.Duration) bool {
		if d < least || d > most {
			v.problem(setting, java, d.String(), "must be from %v to %v", least, most)
			return false
		}
		return true
	}
	positive := func(setting, java string, d time.Duration) bool {
		if d <= 0 {
			v.problem(setting, java, d.String(), "must be above 0")
			return false
		}
		return true
	}
	between("RequestTimeout", "request.timeout.ms", c.requestTimeout, minRequestTimeout, maxConsumerRequest)
	between("FetchMaxWait", "fetch.max.wait.ms", c.fetchMaxWait, minFetchWait, maxDuration)
	positive("HandlerWarning", "", c.handlerWarning)
	positive("StuckAfter", "", c.stuckAfter)
	positive("StartTimeout", "", c.startTimeout)

	sessionOK := between("SessionTimeout", "session.timeout.ms", c.sessionTimeout, minGroupTime, maxDuration)
	beatOK := !c.has("HeartbeatInterval") || between("HeartbeatInterval", "heartbeat.interval.ms", c.heartbeat, minHeartbeat, maxDuration)
	switch beat := c.beat(); {
	case !sessionOK || !beatOK:
	case beat >= c.sessionTimeout:
		v.problem("HeartbeatInterval", "heartbeat.interval.ms", beat.String(), "must be below SessionTimeout (session.timeout.ms, %v)", c.sessionTimeout)
	case beat > c.sessionTimeout/3:
		v.warn("the heartbeat interval of %v is above a third of the session time-out, %v: a heartbeat or two that are lost put the member out of its group", beat, c.sessionTimeout)
	}

	rebalanceOK := between("RebalanceTimeout", "max.poll.interval.ms", c.rebalanceTimeout, minGroupTime, maxDuration)
	revokeOK := !c.has("RevokeTimeout") || positive("RevokeTimeout", "", c.revokeTimeout)
	commitOK := positive("CommitTimeout", "default.api.timeout.ms", c.commitTimeout)
	switch revoke := c.revoke(); {
	case !rebalanceOK || !revokeOK:
	case revoke >= c.rebalanceTimeout:
		v.problem("RevokeTimeout", "", revoke.String(),
			"must be below RebalanceTimeout (max.poll.interval.ms, %v): the member would be put out of its group while it waits", c.rebalanceTimeout)
	case commitOK && c.commitTimeout >= c.rebalanceTimeout-revoke:
		v.warn("a revoke may take the revoke time-out, %v, and the commit time-out, %v, which together are not below the rebalance time-out, %v: where the broker is slow then, the member is put out of its group",
			revoke, c.commitTimeout, c.rebalanceTimeout)
	}
}
