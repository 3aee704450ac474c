package emitters

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/IBM/sarama"

	"anomalystream/streams"
)

// TopicOptions says what OpenTopic reads.
type TopicOptions struct {
	Brokers  []string
	Sarama   *sarama.Config // Connection: TLS, SASL, client id, version. Nil for sarama's defaults.
	Topic    string
	From, To time.Time // Timestamps of records: From <= timestamp < To; zero for no bound.
	Newest   int64     // Only about that many of the newest records; 0 for no limit.
}

// Topic reads the records that a topic held when it was opened, in the order of their timestamps: partitions are merged,
// each keeps its own order. It joins no consumer group and commits nothing. It is not safe for concurrent use.
type Topic struct {
	ctx        context.Context
	topic      string
	to         time.Time
	client     sarama.Client
	consumer   sarama.Consumer
	partitions []*topicPartition
	total      int64
	read       int64
}

// topicPartition is what is left of one partition.
type topicPartition struct {
	consumer sarama.PartitionConsumer
	next     int64 // Offset expected next.
	end      int64 // Offset behind the last record.
	head     *sarama.ConsumerMessage
}

// idle is how long a partition may be silent before its end counts as reached: its last offsets may be markers of
// transactions or compacted records, which are never delivered.
const idle = 3 * time.Second

// OpenTopic connects and finds the range. The context ends later reads, too.
func OpenTopic(ctx context.Context, o TopicOptions) (*Topic, error) {
	c := sarama.NewConfig()
	if o.Sarama != nil {
		c = o.Sarama
	}
	copied := *c
	copied.Consumer.Return.Errors = true
	copied.Consumer.IsolationLevel = sarama.ReadCommitted
	client, err := sarama.NewClient(o.Brokers, &copied)
	if err != nil {
		return nil, fmt.Errorf("connecting to Kafka at %s: %w", strings.Join(o.Brokers, ", "), err)
	}
	t := &Topic{ctx: ctx, topic: o.Topic, to: o.To, client: client}
	if err := t.open(o); err != nil {
		return nil, errors.Join(fmt.Errorf("reading topic %s: %w", o.Topic, err), t.Close())
	}
	return t, nil
}

func (t *Topic) open(o TopicOptions) (err error) {
	if t.consumer, err = sarama.NewConsumerFromClient(t.client); err != nil {
		return err
	}
	ids, err := t.client.Partitions(o.Topic)
	if err != nil {
		return err
	}
	for _, id := range ids {
		first, end, err := t.bounds(id, o)
		if err != nil {
			return err
		}
		if o.Newest > 0 {
			first = max(first, end-(o.Newest+int64(len(ids))-1)/int64(len(ids)))
		}
		if first >= end {
			continue
		}
		consumer, err := t.consumer.ConsumePartition(o.Topic, id, first)
		if err != nil {
			return err
		}
		t.partitions = append(t.partitions, &topicPartition{consumer: consumer, next: first, end: end})
		t.total += end - first
	}
	return nil
}

// bounds is the range of offsets of a partition.
func (t *Topic) bounds(id int32, o TopicOptions) (first, end int64, err error) {
	if end, err = t.client.GetOffset(o.Topic, id, sarama.OffsetNewest); err != nil {
		return 0, 0, err
	}
	if o.From.IsZero() {
		first, err = t.client.GetOffset(o.Topic, id, sarama.OffsetOldest)
		return first, end, err
	}
	first, err = t.client.GetOffset(o.Topic, id, o.From.UnixMilli())
	if first < 0 { // No record is that young.
		first = end
	}
	return first, end, err
}

// Next returns the next record, io.EOF after the last one. The record counts as a replay; its source is the one in its
// headers, else its own position.
func (t *Topic) Next() (streams.Record, error) {
	for {
		var best *topicPartition
		for _, p := range t.partitions {
			if err := t.fill(p); err != nil {
				return streams.Record{}, fmt.Errorf("reading topic %s: %w", t.topic, err)
			}
			if p.head != nil && (best == nil || p.head.Timestamp.Before(best.head.Timestamp)) {
				best = p
			}
		}
		if best == nil {
			t.read = t.total
			return streams.Record{}, io.EOF
		}
		m := best.head
		best.head = nil
		t.read++
		if t.to.IsZero() || m.Timestamp.Before(t.to) {
			return recordOf(m), nil
		}
	}
}

// fill fetches the next record of a partition, unless it is there or the end is reached.
func (t *Topic) fill(p *topicPartition) error {
	if p.head != nil || p.next >= p.end {
		return nil
	}
	timer := time.NewTimer(idle)
	defer timer.Stop()
	for {
		select {
		case m := <-p.consumer.Messages():
			if m == nil {
				return errors.New("the consumer has ended")
			}
			p.next = m.Offset + 1
			if m.Offset < p.end {
				p.head = m
			}
			return nil
		case err := <-p.consumer.Errors():
			if err != nil {
				return err.Err
			}
		case <-timer.C:
			p.next = p.end
			return nil
		case <-t.ctx.Done():
			return t.ctx.Err()
		}
	}
}

func recordOf(m *sarama.ConsumerMessage) streams.Record {
	source, found, err := streams.PositionFromHeaders(func(name string) []byte {
		for _, h := range m.Headers {
			if string(h.Key) == name {
				return h.Value
			}
		}
		return nil
	})
	if !found || err != nil {
		source = streams.Position{Topic: m.Topic, Partition: m.Partition, Offset: m.Offset}
	}
	return streams.Record{Key: m.Key, Value: m.Value, Timestamp: m.Timestamp, Source: source, Replay: true}
}

// Progress is the share of the range that has been read, in [0, 1].
func (t *Topic) Progress() float64 {
	if t.total == 0 {
		return 1
	}
	return float64(t.read) / float64(t.total)
}

// Close disconnects.
func (t *Topic) Close() error {
	var all error
	for _, p := range t.partitions {
		p.consumer.AsyncClose()
		for range p.consumer.Messages() { // What was fetched ahead holds it up.
		}
		for range p.consumer.Errors() {
		}
	}
	if t.consumer != nil {
		all = t.consumer.Close()
	}
	return errors.Join(all, t.client.Close())
}
