package kafkatest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Client writes and reads topics of any Kafka for a test.
type Client struct {
	t       testing.TB
	brokers []string
	client  *kgo.Client
	Admin   *kadm.Client
}

// Record is a record as it is read back.
type Record struct {
	Topic     string
	Partition int32
	Offset    int64
	Key       []byte
	Value     []byte
	Headers   []kgo.RecordHeader
	Timestamp time.Time
}

// Header returns the value of the first header of this name.
func (r Record) Header(name string) (string, bool) {
	for _, h := range r.Headers {
		if h.Key == name {
			return string(h.Value), true
		}
	}
	return "", false
}

// Deadline bounds every wait of this package, and of tests that wait for what takes no time unless the machine is busy. A group
// whose member died without a word goes on after half of it.
const Deadline = time.Minute

// Dial connects to the brokers until the test ends. Its producer honours Record.Partition.
func Dial(t testing.TB, brokers ...string) *Client {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerLinger(time.Millisecond), kgo.MaxBufferedRecords(100_000))
	if err != nil {
		t.Fatalf("connecting to %v: %v", brokers, err)
	}
	t.Cleanup(client.Close)
	return &Client{t: t, brokers: slices.Clone(brokers), client: client, Admin: kadm.NewClient(client)}
}

// Brokers returns the bootstrap addresses.
func (c *Client) Brokers() []string { return slices.Clone(c.brokers) }

// CreateTopic creates a topic with the broker's replication; config is a list of name and value.
func (c *Client) CreateTopic(topic string, partitions int, config ...string) {
	c.t.Helper()
	settings := map[string]*string{}
	for i := 0; i+1 < len(config); i += 2 {
		settings[config[i]] = &config[i+1]
	}
	ctx, cancel := c.deadline()
	defer cancel()
	if _, err := c.Admin.CreateTopic(ctx, int32(partitions), -1, settings, topic); err != nil {
		c.t.Fatalf("creating topic %s: %v", topic, err)
	}
}

// Produce writes records and waits until all are acknowledged. Offsets are filled in.
func (c *Client) Produce(records ...*kgo.Record) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 4*Deadline)
	defer cancel()
	if err := c.client.ProduceSync(ctx, records...).FirstErr(); err != nil {
		c.t.Fatalf("writing %d records: %v", len(records), err)
	}
}

// ProduceAsync writes records without waiting for them; the test fails where one is refused.
func (c *Client) ProduceAsync(records ...*kgo.Record) {
	for _, r := range records {
		c.client.Produce(context.Background(), r, func(_ *kgo.Record, err error) {
			if err != nil {
				c.t.Errorf("writing a record: %v", err)
			}
		})
	}
}

// End returns the offsets after the last record of each partition.
func (c *Client) End(topic string) map[int32]int64 {
	c.t.Helper()
	ctx, cancel := c.deadline()
	defer cancel()
	listed, err := c.Admin.ListEndOffsets(ctx, topic)
	if err != nil {
		c.t.Fatalf("reading the end of topic %s: %v", topic, err)
	}
	out := map[int32]int64{}
	listed.Each(func(o kadm.ListedOffset) { out[o.Partition] = o.Offset })
	return out
}

// Total returns the number of offsets of a topic: its records, as long as none were compacted or deleted.
func (c *Client) Total(topic string) (n int64) {
	c.t.Helper()
	for _, end := range c.End(topic) {
		n += end
	}
	return n
}

// ReadAll returns the records that are in the topic now, by partition and offset.
func (c *Client) ReadAll(topic string) []Record {
	c.t.Helper()
	end := c.End(topic)
	ctx, cancel := context.WithTimeout(context.Background(), 4*Deadline)
	defer cancel()
	starts, err := c.Admin.ListStartOffsets(ctx, topic)
	if err != nil {
		c.t.Fatalf("reading the start of topic %s: %v", topic, err)
	}
	at := map[int32]kgo.Offset{}
	starts.Each(func(o kadm.ListedOffset) {
		if o.Offset < end[o.Partition] {
			at[o.Partition] = kgo.NewOffset().At(o.Offset)
		}
	})
	if len(at) == 0 {
		return nil
	}
	reader, err := kgo.NewClient(kgo.SeedBrokers(c.brokers...), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: at}))
	if err != nil {
		c.t.Fatalf("reading topic %s: %v", topic, err)
	}
	defer reader.Close()
	var out []Record
	for open := len(at); open > 0; {
		fetches := reader.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			c.t.Fatalf("reading topic %s: %v", topic, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if r.Offset < end[r.Partition] {
				out = append(out, Record{r.Topic, r.Partition, r.Offset, r.Key, r.Value, r.Headers, r.Timestamp})
			}
			if r.Offset == end[r.Partition]-1 {
				open--
			}
		})
	}
	slices.SortFunc(out, func(a, b Record) int {
		if a.Partition != b.Partition {
			return int(a.Partition - b.Partition)
		}
		return int(a.Offset - b.Offset)
	})
	return out
}

// Committed returns the offsets that a group has committed for a topic; none for a group that does not exist yet.
func (c *Client) Committed(group, topic string) map[int32]int64 {
	c.t.Helper()
	ctx, cancel := c.deadline()
	defer cancel()
	var fetched kadm.OffsetResponses
	Eventually(c.t, Deadline, func() (err error) {
		if fetched, err = c.Admin.FetchOffsetsForTopics(ctx, group, topic); err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
			return fmt.Errorf("reading the offsets of group %s: %w", group, err)
		}
		return nil
	})
	out := map[int32]int64{}
	fetched.Offsets().Each(func(o kadm.Offset) {
		if o.At >= 0 {
			out[o.Partition] = o.At
		}
	})
	return out
}

// AwaitCommitted waits until a group has committed everything that is in the topic.
func (c *Client) AwaitCommitted(group, topic string, within time.Duration) {
	c.t.Helper()
	end := c.End(topic)
	Eventually(c.t, within, func() error {
		committed := c.Committed(group, topic)
		for p, want := range end {
			if want > 0 && committed[p] < want {
				return fmt.Errorf("group %s, topic %s: committed %v of %v", group, topic, committed, end)
			}
		}
		return nil
	})
}

func (c *Client) deadline() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), Deadline)
}

// Eventually calls check until it returns nil, and fails the test with its last error after the given time.
func Eventually(t testing.TB, within time.Duration, check func() error) {
	t.Helper()
	timeout := time.NewTimer(within)
	defer timeout.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-timeout.C:
			if err := check(); err != nil { // Once more: the time may have passed while this process stood still.
				t.Fatalf("after %s: %v", within, err)
			}
			return
		case <-tick.C:
		}
	}
}
