package checkpoint

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// partition is the live state of one partition while this process owns it. It is made when a session of the group starts and
// thrown away with it. Everything below mu is guarded by it: goka applies messages from the partition's goroutine, sweeps save
// keys from another, and the API looks in.
type partition[S any] struct {
	id       int32
	app      App[S]
	group    *shared
	backfill int64 // Messages below this offset were in the topic before the group first started.
	water    watermark
	applied  atomic.Int64 // Offset of the last message handled; -1 before any.
	past     int64        // Messages below this offset may have been applied by an earlier session, and their output written.
	failed   atomic.Bool  // A state may be half applied: nothing of this partition may be saved.

	mu      turns
	keys    map[string]*entry[S]
	dirty   []*entry[S]       // Entries with listed set, in the order they became dirty.
	chunks  map[string][]byte // While recovering: chunks by their key.
	orphans []string          // Chunks no snapshot names.
	stale   int               // Snapshots ignored in recovery because a newer one came earlier.
	counted bool              // The keys stand in the metrics: recovery is over.
	message Message
	out     Outputs
	undo    []byte
}

// entry is the state of one key.
type entry[S any] struct {
	key   string
	state S
	age
	last   []Position
	outbox []pending

	dirty      bool // It changed since its last snapshot.
	listed     bool // It stands in partition.dirty.
	live       bool // The state is made; before, payload holds its snapshot.
	careful    bool // A message panicked before: keep a copy of the state while applying.
	payload    []byte
	unreadable error     // Why its snapshot cannot be read.
	written    *manifest // Chunks of the latest snapshot.
	size       int       // Of the latest snapshot record, in bytes.
	record     []byte    // While recovering: the latest snapshot.
}

// shared is what the partitions of a group share over all sessions.
type shared struct {
	input   string
	table   string
	source  func(*Message) (Position, bool)
	log     *slog.Logger
	metrics groupMetrics

	sessions atomic.Int64 // Begun so far.

	mu      sync.Mutex
	careful map[string]bool // Keys for which a message panicked.
}

func newPartition[S any](id int32, app App[S], group *shared, backfill int64) *partition[S] {
	p := &partition[S]{id: id, app: app, group: group, backfill: backfill, mu: newTurns(), keys: map[string]*entry[S]{}, chunks: map[string][]byte{}}
	p.applied.Store(-1)
	return p
}

// errFailed says that a partition has ended although messages still come.
var errFailed = errors.New("the partition has ended")

// handle applies a message that has been read into p.message and emits what comes of it, before anybody else has a turn: what
// a sweep reports of the state before must not be written after it. An error means that the state may be half applied, and
// the partition must end.
func (p *partition[S]) handle(emit func([]Output)) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failed.Load() {
		return errFailed
	}
	m := &p.message
	p.out.truncate(0)
	if p.group.source != nil {
		if source, ok := p.group.source(m); ok {
			m.Source = source
		}
	}
	m.Backfill = m.Offset < p.backfill
	var key string
	var stateful bool
	if reason := guard(func() { key, stateful = p.app.Key(m, &p.out) }); reason != "" {
		p.panicked(m, reason, 0)
		stateful = false
	}
	if stateful {
		e := p.entry(key)
		if e.applied(m.Source) {
			p.out.truncate(0)
			for _, o := range e.outbox {
				if o.source == m.Source {
					p.out.list = append(p.out.list, o.output)
				}
			}
			p.group.metrics.skipped.Inc()
		} else if err := p.apply(e, m); err != nil {
			p.failed.Store(true)
			return err
		}
	}
	emit(p.out.list)
	p.applied.Store(m.Offset)
	return nil
}

// apply applies a message to a key's state.
func (p *partition[S]) apply(e *entry[S], m *Message) error {
	p.restore(e)
	from := len(p.out.list)
	if e.unreadable != nil {
		// Nothing is noted in the key: its snapshot stays as it is for a program that can read it.
		if reason := guard(func() { p.app.Refuse(m, CodeUnreadable, e.unreadable.Error(), &p.out) }); reason != "" {
			return fmt.Errorf("refusing message %v: %s", m.Position, reason)
		}
		p.group.metrics.refused.WithLabelValues(CodeUnreadable).Inc()
		return nil
	}
	p.mark(e)
	if e.careful {
		p.undo = p.app.Append(p.undo[:0], e.state)
	}
	if reason := guard(func() { p.app.Apply(e.state, m, &p.out) }); reason != "" {
		if !e.careful {
			p.group.beCareful(e.key)
			return &panicError{position: m.Position, reason: reason}
		}
		state, err := p.app.Restore(e.key, slices.Clone(p.undo))
		if err != nil {
			return fmt.Errorf("going back to the state of key %q before message %v: %w", e.key, m.Position, err)
		}
		e.state = state
		p.panicked(m, reason, from)
	}
	e.note(m.Source)
	e.at = m.Offset
	if e.outbox != nil {
		p.prune(e)
	}
	for _, o := range p.out.list {
		e.outbox = append(e.outbox, pending{source: m.Source, input: m.Offset, output: o})
	}
	return nil
}

// panicked refuses a message that panicked; what it emitted after from is taken back.
func (p *partition[S]) panicked(m *Message, reason string, from int) {
	p.out.truncate(from)
	p.group.metrics.refused.WithLabelValues(CodePanic).Inc()
	p.group.log.Error("a message panicked and is refused", "topic", m.Topic, "partition", m.Partition, "offset", m.Offset, "panic", firstLine(reason))
	p.group.log.Debug("where it panicked", "stack", reason)
	if again := guard(func() { p.app.Refuse(m, CodePanic, firstLine(reason), &p.out) }); again != "" {
		p.out.truncate(from)
		p.group.log.Error("refusing a message panicked too; it is skipped", "topic", m.Topic, "partition", m.Partition, "offset", m.Offset, "panic", firstLine(again))
	}
}

// entry returns the entry of a key, a new one where there is none.
func (p *partition[S]) entry(key string) *entry[S] {
	e := p.keys[key]
	if e == nil {
		e = &entry[S]{key: key, state: p.app.New(key), live: true, age: age{at: -1}, careful: p.group.isCareful(key)}
		p.keys[key] = e
		p.group.metrics.keys.Inc()
	}
	return e
}

// restore makes the state of an entry that has not been used since recovery: a restart is ready before all of it is.
func (p *partition[S]) restore(e *entry[S]) {
	if e.live || e.unreadable != nil {
		return
	}
	var err error
	reason := guard(func() { e.state, err = p.app.Restore(e.key, e.payload) })
	if reason != "" {
		err = fmt.Errorf("%w: reading it panicked: %s", errCorrupt, firstLine(reason))
	}
	e.payload = nil
	if err != nil {
		p.spoil(e, err)
		return
	}
	e.live = true
}

// spoil marks an entry whose snapshot cannot be read.
func (p *partition[S]) spoil(e *entry[S], err error) {
	e.unreadable = err
	p.group.metrics.unreadable.Inc()
	p.group.log.Error("a key's state cannot be read: its messages are refused until it is reset", "key", e.key, "partition", p.id, "error", err)
}

// mark lists an entry for the next sweep.
func (p *partition[S]) mark(e *entry[S]) {
	e.dirty = true
	if !e.listed {
		e.listed = true
		p.dirty = append(p.dirty, e)
	}
}

// prune drops the output of an entry that has been acknowledged.
func (p *partition[S]) prune(e *entry[S]) {
	mark, ok := p.water.mark()
	if !ok {
		return
	}
	e.outbox = slices.DeleteFunc(e.outbox, func(o pending) bool { return o.input < mark })
	if len(e.outbox) == 0 {
		e.outbox = nil
	}
}

// applied reports whether a message was applied before.
func (e *entry[S]) applied(source Position) bool {
	for i := range e.last {
		if l := &e.last[i]; l.Partition == source.Partition && l.Topic == source.Topic {
			return source.Offset <= l.Offset
		}
	}
	return false
}

// note remembers a message as applied.
func (e *entry[S]) note(source Position) {
	for i := range e.last {
		if l := &e.last[i]; l.Partition == source.Partition && l.Topic == source.Topic {
			l.Offset = source.Offset
			return
		}
	}
	e.last = append(e.last, source)
}

func (s *shared) beCareful(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.careful[key] = true
}

func (s *shared) isCareful(key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.careful[key]
}

// panicError ends a partition because a message panicked and may have left its key half applied. The group starts again at
// once, from the snapshots, and is careful with the key.
type panicError struct {
	position Position
	reason   string
}

// Error names the message and the panic.
func (e *panicError) Error() string {
	return fmt.Sprintf("message %v panicked, starting again from the snapshots: %s", e.position, firstLine(e.reason))
}

// guard calls f and returns the panic it ended with and where, or "".
func guard(f func()) (reason string) {
	defer func() {
		if r := recover(); r != nil {
			reason = fmt.Sprintf("%v\n%s", r, debug.Stack())
		}
	}()
	f()
	return ""
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
