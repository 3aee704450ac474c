package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/IBM/sarama"
)

// ErrGroupActive says that a group has members: its state in memory would be written again.
var ErrGroupActive = errors.New("the group is at work: stop its processes, or reset the key in the running process")

// Reset deletes the snapshots of keys from a group's table, of all keys where none is named, and returns how many it deleted.
// No process of the group may be running. The keys start anew with the messages after the committed offsets. It is the way
// out of snapshots that cannot be read, and of a topic that was created again.
func (t Topics) Reset(ctx context.Context, group string, keys ...string) (deleted int, err error) {
	table := TableOf(group)
	err = t.retry(ctx, "resetting the state of group "+group, func(admin sarama.ClusterAdmin) error {
		described, err := admin.DescribeConsumerGroups([]string{group})
		if err != nil {
			return err
		}
		for _, d := range described {
			if len(d.Members) > 0 {
				return fmt.Errorf("%w: group %s has %d members", ErrGroupActive, group, len(d.Members))
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	client, err := sarama.NewClient(t.Brokers, t.Sarama)
	if err != nil {
		return 0, fmt.Errorf("resetting the state of group %s on %s: %w", group, strings.Join(t.Brokers, ","), err)
	}
	defer client.Close()
	partitions, err := client.Partitions(table)
	if err != nil {
		return 0, fmt.Errorf("reading topic %s: %w", table, err)
	}
	wanted := map[string]bool{}
	for _, k := range keys {
		wanted[k] = true
	}
	for _, p := range partitions {
		writes, err := snapshots(ctx, client, table, p, wanted)
		if err != nil {
			return deleted, fmt.Errorf("reading topic %s, partition %d: %w", table, p, err)
		}
		if err := t.writeAll(table, p, writes); err != nil {
			return deleted, fmt.Errorf("writing topic %s, partition %d: %w", table, p, err)
		}
		for _, w := range writes {
			if !w.chunk {
				deleted++
			}
		}
	}
	return deleted, nil
}

// snapshots returns the deletions of what is in a partition of a table: of the wanted keys, or of everything. The chunks of
// a key without a snapshot are removed by the group itself.
func snapshots(ctx context.Context, client sarama.Client, table string, partition int32, wanted map[string]bool) ([]write, error) {
	end, err := client.GetOffset(table, partition, sarama.OffsetNewest)
	if err != nil {
		return nil, err
	}
	oldest, err := client.GetOffset(table, partition, sarama.OffsetOldest)
	if err != nil || oldest >= end {
		return nil, err
	}
	consumer, err := sarama.NewConsumerFromClient(client)
	if err != nil {
		return nil, err
	}
	defer consumer.Close()
	reader, err := consumer.ConsumePartition(table, partition, oldest)
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	alive := map[string]write{}
	for {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case err := <-reader.Errors():
			return nil, err
		case m := <-reader.Messages():
			w := write{key: string(m.Key), chunk: isChunk(m.Headers)}
			if m.Value == nil {
				delete(alive, w.key)
			} else if len(wanted) == 0 || wanted[w.key] && !w.chunk {
				alive[w.key] = w
			}
			if m.Offset >= end-1 {
				out := make([]write, 0, len(alive))
				for _, w := range alive {
					out = append(out, w)
				}
				return out, nil
			}
		}
	}
}

func isChunk(headers []*sarama.RecordHeader) bool {
	for _, h := range headers {
		if string(h.Key) == headerChunk {
			return true
		}
	}
	return false
}

// writeAll writes records and waits until they are acknowledged.
func (t Topics) writeAll(topic string, partition int32, writes []write) error {
	p, err := newProducer(t.Brokers, *t.Sarama)
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	p.write(topic, partition, [][]write{writes}, func(err error) { done <- err })
	return errors.Join(<-done, p.Close())
}
