package checkpoint

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"
	"github.com/lovoo/goka"
)

// producer is a goka.Producer that can also write to a given partition. goka places a snapshot by the hash of its key, but it
// belongs to the partition its events came from, whatever hash their producer used.
type producer struct {
	inner sarama.AsyncProducer
	wg    sync.WaitGroup

	mu     sync.RWMutex // Held for writing to close: nothing may be sent afterwards.
	closed bool
	broken atomic.Pointer[error] // The first error: what follows it must not overtake it.
}

// errProducerClosed is the result of a write after the end.
var errProducerClosed = errors.New("the producer is closed")

// sent travels with a record to its acknowledgement.
type sent struct {
	partition int32 // Where to write; -1 leaves it to the hash of the key.
	finish    func(*sarama.ProducerMessage, error)
}

// newProducer starts a producer with a copy of the configuration, whose partitioner places what has no partition of its own.
func newProducer(brokers []string, config sarama.Config) (*producer, error) {
	inherited := config.Producer.Partitioner
	config.Producer.Partitioner = func(topic string) sarama.Partitioner { return placer{inherited(topic)} }
	inner, err := sarama.NewAsyncProducer(brokers, &config)
	if err != nil {
		return nil, fmt.Errorf("starting a producer on %v: %w", brokers, err)
	}
	p := &producer{inner: inner}
	p.wg.Go(func() {
		for m := range inner.Successes() {
			m.Metadata.(*sent).finish(m, nil)
		}
	})
	p.wg.Go(func() {
		for e := range inner.Errors() {
			p.broken.CompareAndSwap(nil, &e.Err)
			e.Msg.Metadata.(*sent).finish(nil, e)
		}
	})
	return p, nil
}

// Emit implements goka.Producer.
func (p *producer) Emit(topic, key string, value []byte) *goka.Promise {
	return p.EmitWithHeaders(topic, key, value, nil)
}

// EmitWithHeaders implements goka.Producer.
func (p *producer) EmitWithHeaders(topic, key string, value []byte, headers goka.Headers) *goka.Promise {
	promise, finish := goka.NewPromiseWithFinisher()
	m := &sarama.ProducerMessage{Topic: topic, Key: sarama.StringEncoder(key), Value: encoder(value)}
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		if name == carriedTimestamp {
			m.Timestamp = time.UnixMilli(int64(binary.LittleEndian.Uint64(headers[name])))
			continue
		}
		m.Headers = append(m.Headers, sarama.RecordHeader{Key: []byte(name), Value: headers[name]})
	}
	p.send(m, -1, func(m *sarama.ProducerMessage, err error) { finish(m, err) })
	return promise
}

// carriedTimestamp is the header in which the timestamp of a record comes through goka; it is not written.
const carriedTimestamp = "\x00timestamp"

func withTimestamp(headers map[string][]byte, t time.Time) goka.Headers {
	out := goka.Headers{carriedTimestamp: binary.LittleEndian.AppendUint64(nil, uint64(t.UnixMilli()))}
	maps.Copy(out, headers)
	return out
}

// write writes the stages one after another to one partition: a stage is sent when the one before is acknowledged. It calls
// done once, when all are or a record was not written. Order alone would not do: after an error that is final, Kafka takes
// later records of the pipeline.
func (p *producer) write(topic string, partition int32, stages [][]write, done func(error)) {
	for len(stages) > 0 && len(stages[0]) == 0 {
		stages = stages[1:]
	}
	if len(stages) == 0 {
		done(nil)
		return
	}
	var (
		mu    sync.Mutex
		open  = len(stages[0])
		first error
	)
	finish := func(_ *sarama.ProducerMessage, err error) {
		mu.Lock()
		if err != nil && first == nil {
			first = err
		}
		open--
		last := open == 0
		mu.Unlock()
		switch {
		case !last:
		case first != nil || len(stages) == 1:
			done(first)
		default: // Not here: whoever takes the acknowledgements must not wait for the producer.
			go p.write(topic, partition, stages[1:], done)
		}
	}
	for _, w := range stages[0] {
		m := &sarama.ProducerMessage{Topic: topic, Key: sarama.StringEncoder(w.key), Value: encoder(w.value)}
		if w.chunk {
			m.Headers = []sarama.RecordHeader{{Key: []byte(headerChunk), Value: []byte("1")}}
		}
		p.send(m, partition, finish)
	}
}

func (p *producer) send(m *sarama.ProducerMessage, partition int32, finish func(*sarama.ProducerMessage, error)) {
	m.Metadata = &sent{partition: partition, finish: finish}
	p.mu.RLock()
	defer p.mu.RUnlock()
	broken := p.broken.Load()
	switch {
	case p.closed:
		finish(nil, errProducerClosed)
	case broken != nil:
		finish(nil, fmt.Errorf("a record before was not written: %w", *broken))
	default:
		p.inner.Input() <- m
	}
}

// Close ends the producer and waits, up to a minute, until every record is acknowledged or given up.
func (p *producer) Close() error {
	p.mu.Lock()
	closed := p.closed
	p.closed = true
	p.mu.Unlock()
	if closed {
		return nil
	}
	p.inner.AsyncClose()
	done := make(chan struct{})
	go func() {
		p.wg.Wait()
		close(done)
	}()
	timeout := time.NewTimer(time.Minute)
	defer timeout.Stop()
	select {
	case <-done:
		return nil
	case <-timeout.C:
		return errors.New("closing the producer: records are still not acknowledged after a minute")
	}
}

// encoder passes a value through; nil stays a tombstone.
func encoder(value []byte) sarama.Encoder {
	if value == nil {
		return nil
	}
	return sarama.ByteEncoder(value)
}

// placer places a record where it was sent to, and by its key otherwise.
type placer struct{ sarama.Partitioner }

// Partition implements sarama.Partitioner.
func (p placer) Partition(m *sarama.ProducerMessage, n int32) (int32, error) {
	if s, ok := m.Metadata.(*sent); ok && s.partition >= 0 {
		return s.partition, nil
	}
	return p.Partitioner.Partition(m, n)
}

// RequiresConsistency makes sarama count partitions without a leader too, so that keys keep their places.
func (p placer) RequiresConsistency() bool { return true }

// MessageRequiresConsistency says the same of every record.
func (p placer) MessageRequiresConsistency(*sarama.ProducerMessage) bool { return true }
