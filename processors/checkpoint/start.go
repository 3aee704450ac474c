package checkpoint

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/IBM/sarama"
)

// Start says where a group begins that has committed nothing yet. The zero value is the oldest record.
type Start struct {
	Latest bool
	Back   time.Duration // This long before the first start.
	At     time.Time     // At this record time.
}

// ParseStart reads "earliest" (or ""), "latest", a span back such as "-24h" or "-7d", or a time in RFC 3339.
func ParseStart(s string) (Start, error) {
	switch s {
	case "", "earliest":
		return Start{}, nil
	case "latest":
		return Start{Latest: true}, nil
	}
	if rest, ok := strings.CutPrefix(s, "-"); ok {
		if days, ok := strings.CutSuffix(rest, "d"); ok {
			if n, err := strconv.ParseFloat(days, 64); err == nil && n > 0 && n < 36500 {
				return Start{Back: time.Duration(n * 24 * float64(time.Hour))}, nil
			}
		} else if back, err := time.ParseDuration(rest); err == nil && back > 0 {
			return Start{Back: back}, nil
		}
	}
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return Start{At: t}, nil
	}
	return Start{}, fmt.Errorf("reading where to start: found %q, expected earliest, latest, a span back such as -24h, or a time such as 2026-01-02T15:04:05Z", s)
}

// offset returns the offset at which a partition starts whose end is the given one.
func (s Start) offset(client sarama.Client, topic string, partition int32, end int64) (int64, error) {
	at := s.At
	switch {
	case s.Latest:
		return end, nil
	case s.Back > 0:
		at = time.Now().Add(-s.Back)
	case at.IsZero():
		return client.GetOffset(topic, partition, sarama.OffsetOldest)
	}
	offset, err := client.GetOffset(topic, partition, at.UnixMilli())
	if err == nil && offset < 0 {
		return end, nil // Every record is older.
	}
	return offset, err
}

// beginning is where a partition of a group goes on.
type beginning struct {
	fresh    bool  // The group has committed nothing here: it starts at offset.
	offset   int64 // Committed, or to start at.
	backfill int64 // Messages below were in the topic before the group first started.
}

// backfillMark is what precedes the backfill offset in the metadata of every commit. Kafka keeps it with the offset, so that
// the same messages count as backfill after every restart.
const backfillMark = "backfill="

func (b beginning) metadata() string { return backfillMark + strconv.FormatInt(b.backfill, 10) }

// beginnings reads where the group goes on, and decides where new partitions of it start.
func beginnings(client sarama.Client, admin sarama.ClusterAdmin, group, topic string, partitions []int32, start Start) (map[int32]beginning, error) {
	if len(partitions) == 0 {
		return map[int32]beginning{}, nil
	}
	committed, err := admin.ListConsumerGroupOffsets(group, map[string][]int32{topic: partitions})
	if err != nil {
		return nil, fmt.Errorf("reading the offsets of group %s: %w", group, err)
	}
	out := map[int32]beginning{}
	for _, p := range partitions {
		block := committed.GetBlock(topic, p)
		if block != nil && block.Err != sarama.ErrNoError {
			return nil, fmt.Errorf("reading the offset of group %s for topic %s, partition %d: %w", group, topic, p, block.Err)
		}
		if block != nil && block.Offset >= 0 {
			b := beginning{offset: block.Offset}
			if text, ok := strings.CutPrefix(block.Metadata, backfillMark); ok {
				b.backfill, _ = strconv.ParseInt(text, 10, 64) // Metadata that is not ours means no backfill.
			}
			out[p] = b
			continue
		}
		end, err := client.GetOffset(topic, p, sarama.OffsetNewest)
		if err != nil {
			return nil, fmt.Errorf("reading the end of topic %s, partition %d: %w", topic, p, err)
		}
		b := beginning{fresh: true, backfill: end}
		if b.offset, err = start.offset(client, topic, p, end); err != nil {
			return nil, fmt.Errorf("finding where to start in topic %s, partition %d: %w", topic, p, err)
		}
		out[p] = b
	}
	return out, nil
}

// lost returns how many messages between the committed offset and the oldest record are gone: deleted by the topic's
// retention before they were read.
func (b beginning) lost(client sarama.Client, topic string, partition int32) (int64, error) {
	oldest, err := client.GetOffset(topic, partition, sarama.OffsetOldest)
	if err != nil {
		return 0, fmt.Errorf("reading the start of topic %s, partition %d: %w", topic, partition, err)
	}
	return max(oldest-b.offset, 0), nil
}
