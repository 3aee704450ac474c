// Package reading is what those have in common who read topics for the store and for the routes of notifications: consumers
// that commit an offset only after what it stands for is done.
package reading

import (
	"context"
	"log/slog"
	"time"

	"github.com/IBM/sarama"
)

// Buffered is how many records are held per partition: with a large record each, sarama's own number would hold a gigabyte while
// nothing can be delivered.
const Buffered = 16

// Client returns the configuration of such a consumer group and of its producer of dead letters. Members with a static
// identity get the name appended, for a process has several groups.
func Client(client *sarama.Config, name string) *sarama.Config {
	config := *client
	config.ChannelBufferSize = Buffered
	config.Consumer.Offsets.AutoCommit.Enable = false
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.Group.Rebalance.GroupStrategies = []sarama.BalanceStrategy{sarama.NewBalanceStrategyRange()}
	if config.Consumer.Group.InstanceId != "" {
		config.Consumer.Group.InstanceId += "-" + name
	}
	config.Producer.Return.Successes, config.Producer.Return.Errors = true, true
	config.Producer.Retry.Max = 3 // Whoever writes tries again as long as the session lasts: the producer does not know when it ends.
	return &config
}

// Sessions runs one session after the other until the context ends; while the brokers are away it tries again with growing
// pauses. Each loss is logged with the message lost.
func Sessions(ctx context.Context, log *slog.Logger, lost string, session func(context.Context) error) {
	for pause := 200 * time.Millisecond; ; pause = min(2*pause, 10*time.Second) {
		started := time.Now()
		err := session(ctx)
		if ctx.Err() != nil {
			return
		}
		if time.Since(started) > time.Minute {
			pause = 200 * time.Millisecond
		}
		log.Warn(lost, "error", err, "pause", pause.String())
		if Wait(ctx, pause) != nil {
			return
		}
	}
}

// Wait sleeps for the pause or until the context ends, whose error it returns.
func Wait(ctx context.Context, pause time.Duration) error {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
