// Package reading is how consumers read topics for the store and for the routes of notifications: they commit an offset only
// after what it stands for is done.
package reading

import (
	"context"
	"fmt"
	"log/slog"

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

// Consume lets the handler read topics as a member of the group, over rebalances, until the context ends or an error comes,
// which it returns. What sarama tries again by itself is logged for those who look for it.
func Consume(ctx context.Context, log *slog.Logger, group sarama.ConsumerGroup, name string, topics []string, handler sarama.ConsumerGroupHandler) error {
	go func() {
		for err := range group.Errors() {
			log.Debug("consuming", "error", err)
		}
	}()
	for ctx.Err() == nil {
		if err := group.Consume(ctx, topics, handler); err != nil {
			return fmt.Errorf("consuming as group %s: %w", name, err)
		}
	}
	return ctx.Err()
}
