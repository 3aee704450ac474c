package checkpoint

import (
	"errors"
	"fmt"
	"hash"
	"log/slog"
	"sync"
	"time"

	"github.com/IBM/sarama"
	"github.com/prometheus/client_golang/prometheus"
)

// Config configures a Group.
type Config[S any] struct {
	Group    string   // Consumer group; its table, if it has state, is the topic <Group>-table.
	Input    string   // Topic it reads.
	Outputs  []string // Topics it writes.
	Stateful bool     // Keys have state. Without, Key of the App must answer false.
	NewApp   func(partition int32) App[S]

	// Source returns where a message was first read, for messages that were repartitioned; false, or a nil function, means
	// where this group reads it.
	Source func(*Message) (Position, bool)
	Start  Start // Where the group begins when it has committed nothing yet.

	Brokers []string
	Sarama  *sarama.Config     // From Kafka.Sarama.
	Hasher  func() hash.Hash32 // The one hasher.
	Log     *slog.Logger       // Default discards.
	Metrics *Metrics           // Default measures for nobody.

	Interval time.Duration // Between checkpoints; default 2 s. After a crash the messages of one interval are read again.
	Pacing   time.Duration // Pause between the snapshots of a sweep; 0 for none.
	// Bandwidth is the most that snapshots may take, in bytes per second; default 16 MiB. Where all states together are larger
	// than an interval's worth, checkpoints come less often and a crash repeats more. The last checkpoint is not held back.
	Bandwidth int
	Final     time.Duration // Longest the last checkpoint of a session may take; default 20 s.
}

// WithDefaults returns the configuration with every unset field filled.
func (c Config[S]) WithDefaults() Config[S] {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Metrics == nil {
		c.Metrics = NewMetrics(nil)
	}
	if c.Interval == 0 {
		c.Interval = 2 * time.Second
	}
	if c.Bandwidth == 0 {
		c.Bandwidth = 16 << 20
	}
	if c.Final == 0 {
		c.Final = 20 * time.Second
	}
	return c
}

// Validate reports everything that is wrong with the configuration.
func (c Config[S]) Validate() error {
	var errs []error
	for _, field := range []struct {
		name    string
		missing bool
	}{
		{"Group", c.Group == ""}, {"Input", c.Input == ""}, {"NewApp", c.NewApp == nil}, {"Brokers", len(c.Brokers) == 0},
		{"Sarama", c.Sarama == nil}, {"Hasher", c.Hasher == nil},
	} {
		if field.missing {
			errs = append(errs, fmt.Errorf("%s is not set", field.name))
		}
	}
	if c.Interval < 0 || c.Pacing < 0 || c.Final < 0 || c.Bandwidth < 0 {
		errs = append(errs, errors.New("a duration or the bandwidth is negative"))
	}
	if s := c.Sarama; s != nil && (s.Producer.RequiredAcks != sarama.WaitForAll || !s.Producer.Idempotent || s.Net.MaxOpenRequests != 1 ||
		s.Consumer.Offsets.AutoCommit.Enable || s.Consumer.Offsets.Initial != sarama.OffsetOldest) {
		errs = append(errs, errors.New("the client configuration does not keep the guarantee; use Kafka.Sarama"))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("configuring group %s: %w", c.Group, err)
	}
	return nil
}

// Group is a consumer group's part in this process. It is safe for concurrent use.
type Group[S any] struct {
	config Config[S]
	shared *shared

	mu     sync.Mutex
	run    *run[S]        // The processor at work, nil between two.
	health error          // Why the group does not work, nil while it does.
	owned  map[int32]bool // Partitions of the last session, if it ended in order.
}

// Errors of a group that is not at work.
var (
	errStarting   = errors.New("the group is starting")
	errRecovering = errors.New("the group is reading its table")
	errStopped    = errors.New("the group has stopped")
)

// New returns a group; Run starts it.
func New[S any](c Config[S]) (*Group[S], error) {
	c = c.WithDefaults()
	if err := c.Validate(); err != nil {
		return nil, err
	}
	s := &shared{
		input: c.Input, source: c.Source, log: c.Log.With("group", c.Group), metrics: c.Metrics.group(c.Group), careful: map[string]bool{},
	}
	if c.Stateful {
		s.table = TableOf(c.Group)
	}
	s.metrics.refused.With(prometheus.Labels{"code": CodePanic})
	s.metrics.refused.With(prometheus.Labels{"code": CodeUnreadable})
	return &Group[S]{config: c, shared: s, health: errStarting}, nil
}

// TableOf is the topic with the state of a group.
func TableOf(group string) string { return group + "-table" }

// Ready returns nil while the group reads its input, and otherwise why it does not.
func (g *Group[S]) Ready() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.health != nil {
		return fmt.Errorf("group %s: %w", g.config.Group, g.health)
	}
	return nil
}

// Look calls f with the state of a key, and reports whether this process has a state of that key that can be read. f must not
// change it, nor keep it: the messages of its partition wait meanwhile.
func (g *Group[S]) Look(key string, f func(S)) bool {
	found := false
	g.each(func(p *partition[S]) { found = found || p.look(key, f) })
	return found
}

// Reset gives a key a new state in this process, also where its snapshot cannot be read, and reports whether there is such a
// key. The next checkpoint saves it. Messages applied before stay applied.
func (g *Group[S]) Reset(key string) bool {
	found := false
	g.each(func(p *partition[S]) { found = p.reset(key) || found })
	return found
}

// Checkpoint makes a checkpoint now. It returns nil where this process has no part in the group at the moment.
func (g *Group[S]) Checkpoint() error {
	if r := g.current(); r != nil {
		return r.checkpoint()
	}
	return nil
}

func (g *Group[S]) each(f func(*partition[S])) {
	if r := g.current(); r != nil {
		for _, p := range r.all() {
			f(p)
		}
	}
}

func (g *Group[S]) current() *run[S] {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.run
}

func (g *Group[S]) setHealth(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.health = err
	if err == nil {
		g.shared.metrics.running.Set(1)
	} else {
		g.shared.metrics.running.Set(0)
	}
}
