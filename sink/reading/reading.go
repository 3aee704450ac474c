// Package reading configures the consumers that read topics for the store and for the routes of notifications: they commit an
// offset only after what it stands for is done.
package reading

import "github.com/IBM/sarama"

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
