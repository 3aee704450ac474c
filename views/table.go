package views

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/IBM/sarama"
	"github.com/lovoo/goka"
	"github.com/lovoo/goka/storage"

	"anomalystream/internal/retry"
)

// Table is a local copy of a compacted topic, decoded as it arrives. It is safe for concurrent use.
type Table[V any] struct {
	brokers []string
	topic   string
	sarama  *sarama.Config
	decode  func([]byte) (V, error)
	changed func(key string)
	log     *slog.Logger

	recovered atomic.Bool
	invalid   atomic.Int64

	mu   sync.RWMutex
	rows map[string]V
}

// NewTable returns a view of the topic. The decoder turns a record's value into a row; a value it refuses is counted,
// logged and left out.
func NewTable[V any](brokers []string, topic string, config *sarama.Config, decode func([]byte) (V, error), log *slog.Logger) *Table[V] {
	return &Table[V]{brokers: brokers, topic: topic, sarama: config, decode: decode, log: log.With("topic", topic), rows: map[string]V{}}
}

// OnChange calls f with the key of each row that has arrived or left, also while the view catches up. It must be set before Run;
// f must be quick.
func (t *Table[V]) OnChange(f func(key string)) { t.changed = f }

// Run keeps the view up to date until the context ends; it starts over with backoff while the brokers are away.
func (t *Table[V]) Run(ctx context.Context) error {
	retry.Sessions(ctx, t.log, "view stopped, starting it again", t.run)
	return nil
}

func (t *Table[V]) run(ctx context.Context) error {
	config := *t.sarama
	view, err := goka.NewView(t.brokers, goka.Table(t.topic), rawCodec{},
		goka.WithViewStorageBuilder(func(string, int32) (storage.Storage, error) { return &rowStorage[V]{table: t}, nil }),
		goka.WithViewConsumerSaramaBuilder(goka.SaramaConsumerBuilderWithConfig(&config)),
		goka.WithViewTopicManagerBuilder(goka.TopicManagerBuilderWithConfig(&config, goka.NewTopicManagerConfig())),
		goka.WithViewAutoReconnect(),
		goka.WithViewLogger(quiet{t.log}),
	)
	if err != nil {
		return fmt.Errorf("starting a view of topic %s: %w", t.topic, err)
	}
	done := make(chan struct{})
	defer close(done)
	go func() {
		select {
		case <-view.WaitRunning():
			t.recovered.Store(true)
		case <-done:
		}
	}()
	if err := view.Run(ctx); err != nil {
		return fmt.Errorf("reading topic %s: %w", t.topic, err)
	}
	return nil
}

// Recovered reports whether the view has caught up with the topic once; it stays true while rows only grow stale.
func (t *Table[V]) Recovered() bool { return t.recovered.Load() }

// Invalid returns how many records could not be decoded.
func (t *Table[V]) Invalid() int64 { return t.invalid.Load() }

// Get returns the row of a key.
func (t *Table[V]) Get(key string) (V, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	v, ok := t.rows[key]
	return v, ok
}

// Len returns the number of rows.
func (t *Table[V]) Len() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.rows)
}

// Each calls f for every row in no particular order until it returns false. The view is locked meanwhile: be quick.
func (t *Table[V]) Each(f func(key string, row V) bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for k, v := range t.rows {
		if !f(k, v) {
			return
		}
	}
}

func (t *Table[V]) set(key string, value []byte) {
	row, err := t.decode(value)
	if err != nil {
		if t.invalid.Add(1) == 1 {
			t.log.Warn("skipping a record of the view that cannot be decoded", "key", key, "error", err)
		}
		return
	}
	t.mu.Lock()
	t.rows[key] = row
	t.mu.Unlock()
	t.tell(key)
}

func (t *Table[V]) remove(key string) {
	t.mu.Lock()
	delete(t.rows, key)
	t.mu.Unlock()
	t.tell(key)
}

func (t *Table[V]) tell(key string) {
	if t.changed != nil {
		t.changed(key)
	}
}

// rawCodec passes bytes through.
type rawCodec struct{}

func (rawCodec) Encode(v any) ([]byte, error) { return v.([]byte), nil }
func (rawCodec) Decode(b []byte) (any, error) { return b, nil }

// quiet gives goka's messages to slog: its progress at debug level.
type quiet struct{ log *slog.Logger }

func (q quiet) Print(args ...any)   { q.log.Debug("goka", "message", fmt.Sprint(args...)) }
func (q quiet) Println(args ...any) { q.log.Debug("goka", "message", fmt.Sprint(args...)) }
func (q quiet) Printf(format string, args ...any) {
	q.log.Debug("goka", "message", fmt.Sprintf(format, args...))
}
