package settings

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// The bounds of transactions.
const (
	// maxTransactionalID is franz-go's bound: kgo.NewClient refuses a longer id. Brokers
	// have no rule but that an id must not be empty
	// (TransactionCoordinator.handleInitProducerId: INVALID_REQUEST); the key of their
	// transaction log, TransactionLogKey.json, has a length of 16 bits, so at most 32,767
	// bytes.
	maxTransactionalID = 16_382
	// maxSessions is far above what a process can use: each is a client with connections
	// to all brokers, and a member of the group, for which its rebalances wait.
	maxSessions = 1000
	// minTransactionTimeout: a broker takes anything above 0, and looks for transactions
	// that have timed out every 10 s. With less than this, one slow answer aborts.
	minTransactionTimeout = time.Second
	// brokerTransactionTimeout is a broker's transaction.max.timeout.ms by default.
	brokerTransactionTimeout = 15 * time.Minute
)

// validate checks the values against each other and sets err and warnings. It finds
// everything there is to find: nothing returns early.
func (c *transactionConfig) validate() {
	v := &verdict{problems: slices.Clone(c.faults)}
	c.checkID(v)
	c.checkTransaction(v)
	c.checkAborts(v)
	c.conclude(v)
}

func (c *transactionConfig) checkID(v *verdict) {
	const java = "transactional.id"
	prefix, whole := c.has("IDPrefix"), c.has("TransactionalID")
	switch {
	case !prefix && !whole:
		v.problem("IDPrefix", java, "", "is missing, there is no prefix and no id: IDPrefix or TransactionalID is needed")
	case prefix && whole:
		v.problem("TransactionalID", java, shown(c.id), "is a whole id, and there is an IDPrefix too: only one of the two can be")
	}
	if prefix {
		c.checkText(v, "IDPrefix", c.prefix)
	}
	if whole {
		c.checkText(v, "TransactionalID", c.id)
	}
	if c.sessions < 1 || c.sessions > maxSessions {
		v.problem("Sessions", "", strconv.Itoa(c.sessions), "must be from 1 to %d", maxSessions)
	}
	if !c.has("InstanceID") {
		return
	}
	if reason := badName(c.instanceID); reason != "" {
		v.problem("InstanceID", java, shown(c.instanceID), "%s", reason)
	}
	if whole {
		v.problem("InstanceID", java, shown(c.instanceID), "has no part in a TransactionalID: IDPrefix makes ids that have an instance")
	}
}

// checkText checks what ids begin with, and that the longest of them can be sent.
func (c *transactionConfig) checkText(v *verdict, setting, text string) {
	const java = "transactional.id"
	switch {
	case text == "":
		v.problem(setting, java, `""`, "must not be empty: a broker refuses an empty id")
	case !utf8.ValidString(text):
		// A broker decodes ids, and would take two of them for the same.
		v.problem(setting, java, shown(text), "is no valid UTF-8")
	case strings.ContainsFunc(text, unicode.IsControl):
		v.problem(setting, java, shown(text), "must not contain control characters")
	}
	if n := c.longestID(); n > maxTransactionalID {
		v.problem(setting, java, shown(text), "makes ids of up to %d bytes, at most %d are allowed", n, maxTransactionalID)
	}
}

// longestID returns how long a session's id can be. The instance's name is known later
// where it is the consumer's or a random one; it has its bound there.
func (c *transactionConfig) longestID() int {
	instance := strings.Repeat("x", maxName)
	if c.has("InstanceID") && badName(c.instanceID) == "" {
		instance = c.instanceID
	}
	return len(c.sessionID(instance, min(max(c.sessions, 1), maxSessions)-1))
}

// shown quotes a text that is not too long to be read.
func shown(text string) string {
	if len(text) > maxName {
		return ""
	}
	return quote(text)
}

func (c *transactionConfig) checkTransaction(v *verdict) {
	if c.records <= 0 {
		v.problem("TransactionSize", "", strconv.Itoa(c.records)+" records", "must be above 0; math.MaxInt is for no limit by records")
	}
	if c.bytes <= 0 {
		v.problem("TransactionSize", "", strconv.Itoa(c.bytes)+" bytes", "must be above 0; math.MaxInt is for no limit by bytes")
	}
	timeoutOK := c.timeout >= minTransactionTimeout && c.timeout <= maxDuration
	switch {
	case !timeoutOK:
		v.problem("TransactionTimeout", "transaction.timeout.ms", c.timeout.String(), "must be from %v to %v", minTransactionTimeout, maxDuration)
	case c.timeout > brokerTransactionTimeout:
		v.warn("the transaction time-out of %v is above %v, which brokers refuse unless they are told otherwise (transaction.max.timeout.ms)",
			c.timeout, brokerTransactionTimeout)
	}
	switch {
	case c.interval < time.Millisecond || c.interval > maxDuration:
		v.problem("CommitInterval", "", c.interval.String(), "must be from %v to %v", time.Millisecond, maxDuration)
	case timeoutOK && c.interval > c.timeout/2:
		v.problem("CommitInterval", "", c.interval.String(),
			"must not be above half of TransactionTimeout (transaction.timeout.ms, %v): what has begun by then has still to be finished and committed", c.timeout)
	}
}

func (c *transactionConfig) checkAborts(v *verdict) {
	switch pauses := c.firstPause.String() + ", " + c.longestPause.String(); {
	case c.firstPause < time.Millisecond || c.longestPause > maxDuration:
		v.problem("AbortBackoff", "", pauses, "must be from %v to %v", time.Millisecond, maxDuration)
	case c.longestPause < c.firstPause:
		v.problem("AbortBackoff", "", pauses, "must not have a longest pause below the first")
	}

	if c.deadLetterTopic != "" {
		if reason := badName(c.deadLetterTopic); reason != "" {
			v.problem("DeadLetterTopic", "", shown(c.deadLetterTopic), "%s", reason)
		}
	}
	switch {
	case c.poisonAfter < 0:
		v.problem("PoisonAfter", "", strconv.Itoa(c.poisonAfter), "must be at least 0, which is never")
	case c.poisonAfter > 0 && c.deadLetterTopic == "":
		v.problem("PoisonAfter", "", strconv.Itoa(c.poisonAfter), "needs a DeadLetterTopic, or the record would be lost")
	case c.poisonAfter == 0 && c.deadLetterTopic != "":
		v.problem("DeadLetterTopic", "", shown(c.deadLetterTopic), "gets nothing without PoisonAfter: after how many aborts is a record poison?")
	}
}
