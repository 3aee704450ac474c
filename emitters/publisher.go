package emitters

import (
	"context"
	"errors"
	"fmt"
	"hash"
	"strings"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"anomalystream/streams"
)

// ErrUnknownStream is returned for a stream that the configuration does not have.
var ErrUnknownStream = errors.New("unknown stream")

// PublisherConfig configures a Publisher.
type PublisherConfig struct {
	Brokers   []string
	Sarama    *sarama.Config // Connection: TLS, SASL, client id, version; its producer section is replaced. Nil for sarama's defaults.
	Topics    streams.Topics
	Streams   []*streams.Definition
	MaxRecord int // Largest value in bytes; 1 MiB by default.
}

// WithDefaults returns the configuration with its defaults filled in.
func (c PublisherConfig) WithDefaults() PublisherConfig {
	if c.MaxRecord == 0 {
		c.MaxRecord = 1 << 20
	}
	if c.Sarama == nil {
		c.Sarama = sarama.NewConfig()
	}
	return c
}

// Validate says what is wrong with the configuration.
func (c PublisherConfig) Validate() error {
	switch {
	case len(c.Brokers) == 0:
		return errors.New("no brokers")
	case len(c.Streams) == 0:
		return errors.New("no streams")
	case c.MaxRecord < 0:
		return fmt.Errorf("largest record of %d bytes", c.MaxRecord)
	}
	return nil
}

// producer is the part of sarama.SyncProducer in use.
type producer interface {
	SendMessages([]*sarama.ProducerMessage) error
	Close() error
}

// Publisher writes events to the source topics of streams. What it reports as written is acknowledged by all in-sync
// replicas. It is safe for concurrent use.
type Publisher struct {
	cfg      PublisherConfig
	producer producer
	sources  map[string]*sourceTopic

	mu       sync.Mutex // Guards closed, and the first Add of inFlight.
	closed   bool
	inFlight sync.WaitGroup // Calls of the producer; it must not be closed under them.
}

// sourceTopic is where one stream's events go.
type sourceTopic struct {
	topic   string
	timed   bool       // The value carries the event time.
	mu      sync.Mutex // Guards the decoder.
	decoder *streams.Decoder
}

// NewPublisher connects to Kafka. The error names the brokers that did not answer.
func NewPublisher(cfg PublisherConfig) (*Publisher, error) {
	cfg = cfg.WithDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("configuring the publisher: %w", err)
	}
	p, err := sarama.NewSyncProducer(cfg.Brokers, producerConfig(cfg))
	if err != nil {
		return nil, fmt.Errorf("connecting to Kafka at %s: %w", strings.Join(cfg.Brokers, ", "), err)
	}
	return newPublisher(cfg, p), nil
}

// newPublisher publishes through p.
func newPublisher(cfg PublisherConfig, p producer) *Publisher {
	pub := &Publisher{cfg: cfg, producer: p, sources: map[string]*sourceTopic{}}
	for _, d := range cfg.Streams {
		pub.sources[d.Name] = &sourceTopic{topic: cfg.Topics.Source(d), timed: d.Time != "", decoder: streams.NewDecoder(d, cfg.MaxRecord)}
	}
	return pub
}

// producerConfig asks for acknowledgements by all replicas, without duplicates or reordering by retries of the client.
func producerConfig(cfg PublisherConfig) *sarama.Config {
	c := *cfg.Sarama
	c.Producer = sarama.NewConfig().Producer
	c.Producer.RequiredAcks = sarama.WaitForAll
	c.Producer.Idempotent = true
	c.Net.MaxOpenRequests = 1
	c.Producer.Retry.Max = 5
	c.Producer.Return.Successes = true
	c.Producer.Return.Errors = true
	c.Producer.Compression = sarama.CompressionSnappy
	c.Producer.MaxMessageBytes = cfg.MaxRecord + 4096 // Key, headers and framing come on top of the value.
	c.Producer.Partitioner = sarama.NewCustomHashPartitioner(func() hash.Hash32 { return streams.NewHasher() })
	return &c
}

// Outcome is what became of one event: where it was written, or why it was refused.
type Outcome struct {
	Position streams.Position
	Reject   *streams.Reject
}

// Publish checks events and writes the good ones to a stream's source topic. It returns one outcome per event, in order.
// Errors: ErrUnknownStream, the context's, or that Kafka did not take events; then some may have been written.
func (p *Publisher) Publish(ctx context.Context, stream string, events []Event) ([]Outcome, error) {
	out := make([]Outcome, len(events))
	var good []Event
	var at []int
	for i, e := range events {
		_, reject, err := p.Check(stream, &e)
		if err != nil {
			return nil, err
		}
		if reject != nil {
			out[i].Reject = reject
			continue
		}
		good, at = append(good, e), append(at, i)
	}
	messages, err := p.messages(stream, good)
	if err != nil {
		return nil, err
	}
	if _, err := p.send(ctx, messages); err != nil {
		return nil, err
	}
	for k, m := range messages {
		out[at[k]].Position = streams.Position{Topic: m.Topic, Partition: m.Partition, Offset: m.Offset}
	}
	return out, nil
}

// Check reads an event as the stream's processors will and returns its event time, or why they will refuse it. An event without
// a record key gets its detector's: records without one are scattered over the partitions, and with that their order is lost.
func (p *Publisher) Check(stream string, e *Event) (time.Time, *streams.Reject, error) {
	s, ok := p.sources[stream]
	if !ok {
		return time.Time{}, nil, fmt.Errorf("stream %q: %w", stream, ErrUnknownStream)
	}
	at := e.Time
	if at.IsZero() {
		at = time.Now() // What the record's timestamp is going to be.
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	event, reject := s.decoder.Decode(streams.Record{Key: e.Key, Value: e.Value, Timestamp: at})
	if reject != nil {
		return time.Time{}, reject, nil
	}
	if e.Key == nil {
		e.Key = []byte(event.Key())
	}
	return event.Time, nil, nil
}

// messages makes the records of events. They are not checked. A recorded event whose value carries its time becomes a record of
// today: Kafka deletes by the times of records, so that old ones could be gone before anyone has read them.
func (p *Publisher) messages(stream string, events []Event) ([]*sarama.ProducerMessage, error) {
	s, ok := p.sources[stream]
	if !ok {
		return nil, fmt.Errorf("stream %q: %w", stream, ErrUnknownStream)
	}
	out := make([]*sarama.ProducerMessage, len(events))
	for i, e := range events {
		m := &sarama.ProducerMessage{Topic: s.topic}
		if !e.Replay || !s.timed {
			m.Timestamp = e.Time
		}
		if e.Key != nil {
			m.Key = sarama.ByteEncoder(e.Key)
		}
		if e.Value != nil {
			m.Value = sarama.ByteEncoder(e.Value)
		}
		if e.Truth != "" {
			m.Headers = append(m.Headers, sarama.RecordHeader{Key: []byte(streams.HeaderTruth), Value: []byte(e.Truth)})
		}
		if e.Replay {
			m.Headers = append(m.Headers, sarama.RecordHeader{Key: []byte(streams.HeaderReplay), Value: []byte("1")})
		}
		out[i] = m
	}
	return out, nil
}

// send writes messages and returns those that Kafka did not take. It returns early when the context ends; the messages
// may be written all the same then.
func (p *Publisher) send(ctx context.Context, messages []*sarama.ProducerMessage) ([]*sarama.ProducerMessage, error) {
	if len(messages) == 0 {
		return nil, ctx.Err()
	}
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, fmt.Errorf("writing to topic %s: %w", messages[0].Topic, sarama.ErrClosedClient)
	}
	done := make(chan error, 1)
	p.inFlight.Go(func() { done <- p.producer.SendMessages(messages) })
	p.mu.Unlock()
	var err error
	select {
	case err = <-done:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if err == nil {
		return nil, nil
	}
	failed := messages
	var each sarama.ProducerErrors
	if errors.As(err, &each) && len(each) > 0 {
		failed = nil
		for _, e := range each {
			failed = append(failed, e.Msg)
		}
		err = each[0].Err
	}
	return failed, fmt.Errorf("writing %d of %d records to topic %s at %s: %w", len(failed), len(messages), messages[0].Topic, strings.Join(p.cfg.Brokers, ", "), err)
}

// Close waits for what is being written and disconnects. Later calls do nothing.
func (p *Publisher) Close() error {
	p.mu.Lock()
	again := p.closed
	p.closed = true
	p.mu.Unlock()
	if again {
		return nil
	}
	p.inFlight.Wait()
	return p.producer.Close()
}
