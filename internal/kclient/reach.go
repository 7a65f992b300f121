package kclient

import (
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// askFor is how long one broker may take to answer Reach.
const askFor = 5 * time.Second

// Reach asks the brokers that the client was given, one after the other, until one
// answers, and returns nil then. Else it returns an [*UnreachableError]; or the
// broker's own error where one answers and refuses, a login say; or ctx's cause
// where ctx was cancelled. A broker gets 5 seconds, or its share of what ctx has
// left where that is less.
//
// It does not retry: whoever waits for a broker to start calls it again.
func Reach(ctx context.Context, cl *kgo.Client) error {
	brokers := cl.SeedBrokers()
	var last error
	for i, b := range brokers {
		err := ask(ctx, b, len(brokers)-i)
		if err == nil {
			return nil
		}
		if errors.Is(ctx.Err(), context.Canceled) {
			return context.Cause(ctx)
		}
		if _, ok := errors.AsType[*kerr.Error](err); ok {
			return fmt.Errorf("vicuna: the broker refuses the client: %w", err)
		}
		last = err
	}
	return &UnreachableError{Addrs: seeds(cl), Err: last}
}

// ask is not kgo.Client.Ping, which does not heed its context while a broker that
// accepted the connection says nothing.
func ask(ctx context.Context, b *kgo.Broker, left int) error {
	limit := askFor
	if end, ok := ctx.Deadline(); ok {
		limit = min(limit, time.Until(end)/time.Duration(left))
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	req := kmsg.NewPtrMetadataRequest()
	req.Topics = []kmsg.MetadataRequestTopic{} // none; nil would be all
	resp, err := b.Request(ctx, req)
	if err != nil {
		return err
	}
	if m, ok := resp.(*kmsg.MetadataResponse); ok {
		return kerr.ErrorForCode(m.ErrorCode)
	}
	return nil
}

// Unreachable returns an error where the client has been trying to connect and
// nothing has answered since, else nil. It knows of clients made by this package,
// and returns nil for others.
func Unreachable(cl *kgo.Client) *UnreachableError {
	if w := watchOf(cl); w != nil {
		return w.state()
	}
	return nil
}

// Obstacle returns what keeps a client from writing to a topic, as far as is known: an
// [*UnreachableError] where no broker is reached or all refuse the client, or the error that the
// brokers answer with for the topic; else nil. It does not wait.
func Obstacle(cl *kgo.Client, topic string) error {
	if w := watchOf(cl); w != nil {
		if u := w.state(); u != nil {
			return u
		}
		if u := w.refusal(); u != nil {
			return u
		}
	}
	// of no partition it tells the topic's error
	_, _, err := cl.PartitionLeader(topic, math.MaxInt32)
	return err
}

// Requests counts the produce requests that the client has written, at least in
// part; nil for a client that was not made by this package.
func Requests(cl *kgo.Client) *atomic.Uint64 {
	if w := watchOf(cl); w != nil {
		return &w.requests
	}
	return nil
}

func watchOf(cl *kgo.Client) *watch {
	// A slice of hooks, of a type that franz-go does not export.
	hooks := reflect.ValueOf(cl.OptValue(kgo.WithHooks))
	if hooks.Kind() != reflect.Slice {
		return nil
	}
	for i := range hooks.Len() {
		if w, ok := hooks.Index(i).Interface().(*watch); ok {
			return w
		}
	}
	return nil
}

func seeds(cl *kgo.Client) []string {
	s, _ := cl.OptValue(kgo.SeedBrokers).([]string)
	return s
}
