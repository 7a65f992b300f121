package kclient

import (
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/vicuna-go/vicuna/settings"
)

// NewConsumerClient makes a client for consuming as cfg says, with the factory in
// it where there is one. Where cfg has a group, the client commits nothing by
// itself and blocks rebalances from a poll to AllowRebalance. What it reads, and
// what is called when that changes, is for the caller to say: extra are options
// that come last, after ours (callbacks of a group only where there is one:
// franz-go refuses them else). With topics or partitions among them it begins at
// once, else when it is given some.
//
// Where a position is not in the log, [settings.OutOfRange] decides, as far as
// franz-go lets it:
//
//   - With FailOutOfRange each poll returns kerr.OffsetOutOfRange for the
//     partition, again and again, until the caller stops reading it.
//   - A log that ends before a position whose leader epoch is known (a committed
//     offset's, one that was being read) is told as a [kgo.ErrDataLoss], once, and
//     the client has gone on already at the log's end, whatever the settings say.
//     Who means to fail then has to do so at that error.
//   - A reader that retention has overtaken goes on with the first record there is,
//     with ToLatest too: that is the next it has not read.
//
// It fails with the settings' own problems, with what franz-go rejects, and with a
// [*ClientError] where the factory returned a client that is not as ordered. The
// doubtful settings are logged as warnings.
func NewConsumerClient(cfg settings.ConsumerConfig, extra ...kgo.Opt) (*kgo.Client, error) {
	return newConsumerClient(cfg, cfg.Group() != "", extra)
}

// NewReaderClient is [NewConsumerClient] for partitions of the user's own choice:
// the client is no member of the group that cfg may have.
func NewReaderClient(cfg settings.ConsumerConfig, extra ...kgo.Opt) (*kgo.Client, error) {
	return newConsumerClient(cfg, false, extra)
}

func newConsumerClient(cfg settings.ConsumerConfig, member bool, extra []kgo.Opt) (*kgo.Client, error) {
	if err := cfg.Err(); err != nil {
		return nil, err
	}
	log := cfg.Logger().With("client", "consumer", "client.id", cfg.ClientID())
	if cfg.Group() != "" {
		log = log.With("group", cfg.Group())
	}
	w := newWatch(cfg.Bootstrap(), log)
	opts := append(consumerOptions(cfg, member, w), extra...)
	check := func(*kgo.Client) error { return nil }
	if cfg.ClientFactory() != nil {
		want, err := order(opts)
		if err != nil {
			return nil, fmt.Errorf("vicuna: franz-go rejects the settings: %w", err)
		}
		l := &look{made: map[*kgo.Client]values{}}
		opts = append(opts, kgo.WithHooks(l))
		check = func(cl *kgo.Client) error { return checkConsumer(l.take(cl), want) }
	}
	cl, err := create(cfg, opts, check)
	if err != nil {
		return nil, err
	}
	warn(cfg)
	return cl, nil
}

// consumerOptions returns the client's options in three layers: what the user may
// change, the user's, what they may not.
func consumerOptions(cfg settings.ConsumerConfig, member bool, w *watch) []kgo.Opt {
	opts := []kgo.Opt{
		kgo.MetadataMinAge(metadataMinAge),
		kgo.RetryBackoffFn(backoff),
		kgo.RetryTimeoutFn(retryTimeout(cfg)),
		kgo.RequestRetries(retries(cfg)),
		kgo.FetchMaxPartitionBytes(int32(min(1<<20, cfg.FetchMaxBytes()))),
		kgo.MaxDecompressBatchBytes(cfg.DecompressMaxBytes()),
	}
	opts = append(opts, cfg.ClientOptions()...)
	opts = append(opts, clientOptions(cfg, w)...)
	opts = append(opts,
		kgo.RequestTimeoutOverhead(cfg.RequestTimeout()),
		kgo.FetchIsolationLevel(isolation(cfg.Isolation())),
		kgo.ConsumeStartOffset(start(cfg.StartFrom())),
		kgo.ConsumeResetOffset(reset(cfg.OutOfRange())),
		kgo.FetchMaxWait(cfg.FetchMaxWait()),
		kgo.FetchMinBytes(int32(cfg.FetchMinBytes())),
		kgo.FetchMaxBytes(int32(cfg.FetchMaxBytes())),
	)
	if !member {
		return opts
	}
	opts = append(opts,
		kgo.ConsumerGroup(cfg.Group()),
		kgo.DisableAutoCommit(),
		kgo.BlockRebalanceOnPoll(),
		kgo.SessionTimeout(cfg.SessionTimeout()),
		kgo.RebalanceTimeout(cfg.RebalanceTimeout()),
		kgo.HeartbeatInterval(cfg.HeartbeatInterval()),
	)
	if id := cfg.InstanceID(); id != "" {
		opts = append(opts, kgo.InstanceID(id))
	}
	return append(opts, balancers(cfg.Protocol())...)
}

func isolation(l settings.IsolationLevel) kgo.IsolationLevel {
	if l == settings.ReadCommitted {
		return kgo.ReadCommitted()
	}
	return kgo.ReadUncommitted()
}

func start(p settings.StartPosition) kgo.Offset {
	if p == settings.Latest {
		return kgo.NewOffset().AtEnd()
	}
	return kgo.NewOffset().AtStart()
}

func reset(p settings.OutOfRangePolicy) kgo.Offset {
	switch p {
	case settings.ToEarliest:
		return kgo.NewOffset().AtStart()
	case settings.ToLatest:
		return kgo.NewOffset().AtEnd()
	default:
		return kgo.NoResetOffset()
	}
}

// balancers returns how a group divides its partitions. With KIP-848 the first
// balancer has two meanings: the server's assignor (uniform for either kind of
// sticky), and what the group falls back to with a broker that does not know the
// protocol. Cooperative, so that members get along there with those that were not
// told of it.
func balancers(p settings.GroupProtocol) []kgo.Opt {
	switch p {
	case settings.Eager:
		return []kgo.Opt{kgo.Balancers(kgo.StickyBalancer(), kgo.RangeBalancer())}
	case settings.ConsumerProtocol:
		return []kgo.Opt{kgo.ServerSideBalancer(), kgo.Balancers(kgo.CooperativeStickyBalancer())}
	default:
		return []kgo.Opt{kgo.Balancers(kgo.CooperativeStickyBalancer())}
	}
}

// retryTimeout bounds the tries of a request: a commit's as the settings say, the
// others' as franz-go does by itself.
func retryTimeout(cfg settings.ConsumerConfig) func(int16) time.Duration {
	commit, session := cfg.CommitTimeout(), cfg.SessionTimeout()
	return func(key int16) time.Duration {
		switch kmsg.Key(key) {
		case kmsg.OffsetCommit:
			return commit
		case kmsg.JoinGroup, kmsg.SyncGroup, kmsg.Heartbeat:
			return session
		default:
			return 30 * time.Second
		}
	}
}

// retries is how often a request may be tried again: so often that it is time that
// ends it. franz-go's 20 times are 17 seconds with our back-off.
func retries(cfg settings.ConsumerConfig) int {
	const shortest = maxBackoff * 8 / 10
	return 20 + int(max(cfg.CommitTimeout(), cfg.SessionTimeout(), 30*time.Second)/shortest)
}
