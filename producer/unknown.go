package producer

import (
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/vicuna-go/vicuna/internal/kclient"
)

// Topics that brokers do not know.
//
// A topic that was just made is not known to every broker at once, so its records wait for it until
// the delivery time-out, two minutes by default. Where the name is wrong, or nobody has made the
// topic, that is long to wait in silence: a line names it, and another one when it is there.

const (
	// unknownAfter is how long a topic may be unknown before a warning.
	unknownAfter = 5 * time.Second
	// unknownAgain is the time between warnings while that lasts.
	unknownAgain = 30 * time.Second
)

// watchTopic warns while the brokers do not know the topic of a new lane, until they do or the
// client is closed. It is a timer and no goroutine; a topic that is known costs one look.
func (l *lane) watchTopic() {
	since, told := time.Now(), false
	var look func()
	look = func() {
		c := l.client
		if c.kgo.Context().Err() != nil {
			return
		}
		if !errors.Is(kclient.Obstacle(c.kgo, l.topic), kerr.UnknownTopicOrPartition) {
			if told {
				c.log.Info("vicuna: the brokers know the topic now", "topic", l.topic, "after", time.Since(since).Round(time.Millisecond))
			}
			return
		}
		if waiting := l.given.Load() - l.returned.Load(); waiting > 0 {
			told = true
			c.log.Warn("vicuna: the brokers do not know the topic, and its records wait for it until the delivery time-out; "+
				"look at its name, or create it", "topic", l.topic, "for", time.Since(since).Round(time.Millisecond),
				"records", waiting, "delivery_timeout", c.delivery)
		}
		time.AfterFunc(unknownAgain, look)
	}
	time.AfterFunc(unknownAfter, look)
}
