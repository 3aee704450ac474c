package checkpoint

import (
	"errors"
	"fmt"
	"slices"

	"github.com/IBM/sarama"
)

// topicManager is the goka.TopicManager of our groups. It only reads: Topics.Ensure made and checked the topics before. goka's
// own asks one broker and refuses to start while just that one is down.
type topicManager struct{ client sarama.Client }

// errReadOnly is the result of asking the manager to make a topic.
var errReadOnly = errors.New("topics are created and checked before the group starts")

// Partitions returns the partitions of a topic.
func (t topicManager) Partitions(topic string) ([]int32, error) {
	partitions, err := t.client.Partitions(topic)
	if err != nil {
		return nil, fmt.Errorf("reading topic %s: %w", topic, err)
	}
	slices.Sort(partitions)
	return partitions, nil
}

// GetOffset returns an offset of a partition: of a time in milliseconds, or the oldest or newest.
func (t topicManager) GetOffset(topic string, partition int32, time int64) (int64, error) {
	return t.client.GetOffset(topic, partition, time)
}

// EnsureTableExists checks that the table has the partitions of the input.
func (t topicManager) EnsureTableExists(topic string, partitions int) error {
	have, err := t.Partitions(topic)
	if err != nil {
		return err
	}
	if len(have) != partitions {
		return fmt.Errorf("topic %s has %d partitions, and the group's input has %d: they must be equal", topic, len(have), partitions)
	}
	return nil
}

// EnsureStreamExists is not used by our groups.
func (topicManager) EnsureStreamExists(string, int) error { return errReadOnly }

// EnsureTopicExists is not used by our groups.
func (topicManager) EnsureTopicExists(string, int, int, map[string]string) error { return errReadOnly }

// Close leaves the client to its owner.
func (topicManager) Close() error { return nil }
