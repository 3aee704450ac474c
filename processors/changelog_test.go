package processors_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"anomalystream/internal/kafkatest"
	"anomalystream/processors"
	"anomalystream/streams"
)

// follower reads a topic from its start while a test works.
type follower struct {
	t      testing.TB
	client *kafkatest.Client
	topic  string
	reader *kgo.Client
	next   map[int32]int64
}

func follow(t testing.TB, client *kafkatest.Client, topic string) *follower {
	t.Helper()
	reader, err := kgo.NewClient(kgo.SeedBrokers(client.Brokers()...), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatalf("following topic %s: %v", topic, err)
	}
	t.Cleanup(reader.Close)
	return &follower{t: t, client: client, topic: topic, reader: reader, next: map[int32]int64{}}
}

// news returns what has come since the last call, in the order of each partition.
func (f *follower) news() []*kgo.Record {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond)
	defer cancel()
	records := f.reader.PollFetches(ctx).Records() // Brokers that are away are waited for.
	for _, r := range records {
		f.next[r.Partition] = r.Offset + 1
	}
	return records
}

// behind reports whether the topic holds more than was returned.
func (f *follower) behind() bool {
	for p, end := range f.client.End(f.topic) {
		if f.next[p] < end {
			return true
		}
	}
	return false
}

// changelog is what the table of the detectors tells of verdicts, read while it is written: later it would be compacted.
type changelog struct {
	*follower
	engine *processors.Engine
	keys   map[string]*history
}

// history is the story of one detector key.
type history struct {
	entity  string
	turns   map[int64][]turn // Each intervention by its number; more than one where a process wrote that had lost the partition.
	turn    int64            // Interventions before the newest snapshot, and what it holds.
	newest  turn
	payload []byte
}

// turn is a state of a key between two interventions: after which message of the input it was saved first, and which verdicts the
// key remembered then.
type turn struct {
	at     int64
	newest time.Time // Event time of the key.
	taken  map[string]processors.Taken
}

func newChangelog(t testing.TB, client *kafkatest.Client, d *streams.Definition) *changelog {
	t.Helper()
	engine, err := processors.NewEngine(d)
	if err != nil {
		t.Fatal(err)
	}
	return &changelog{follower: follow(t, client, names.DetectorTable(d.Name)), engine: engine, keys: map[string]*history{}}
}

// read takes in what has been written since the last call.
func (c *changelog) read() {
	c.t.Helper()
	for _, r := range c.news() {
		key := string(r.Key)
		if r.Value == nil {
			c.t.Fatalf("a snapshot of %q was deleted", key)
		}
		at, number, payload := snapshot(c.t, r.Value)
		h := c.keys[key]
		if h == nil {
			entity := key[min(len("sensors/"), len(key)):]
			h = &history{entity: entity, turns: map[int64][]turn{}, newest: turn{at: -2}}
			c.keys[key] = h
		}
		s, err := c.engine.RestoreState(h.entity, payload)
		if err != nil {
			c.t.Fatalf("reading a snapshot of %q: %v", key, err)
		}
		taken := map[string]processors.Taken{}
		for _, v := range s.Taken() {
			taken[v.ID] = v
		}
		now := turn{at, s.LastEvent(), taken}
		if at > h.newest.at || at == h.newest.at && number >= h.turn { // As the recovery of a group decides.
			h.turn, h.newest, h.payload = number, now, payload
		}
		same := func(o turn) bool { return maps.Equal(o.taken, taken) }
		if i := slices.IndexFunc(h.turns[number], same); i >= 0 {
			if at < h.turns[number][i].at {
				h.turns[number][i] = now
			}
			continue
		}
		h.turns[number] = append(h.turns[number], now)
	}
}

func (h *history) String() string {
	return fmt.Sprintf("%d interventions up to message %d and the verdicts %+v", h.turn, h.newest.at, h.newest.taken)
}

// line returns the interventions that led to the newest snapshot, in order. A process that was paused may have written one after
// another had taken its partition: that one is no part of the story, since no snapshot follows from it.
func (h *history) line() []turn {
	var out []turn
	after, changes := h.newest, 0
	for n := h.turn; n > 0; n-- {
		found := turn{at: -2}
		for _, candidate := range h.turns[n] {
			if after.follows(candidate, changes) && (found.at == -2 || candidate.at < found.at) {
				found = candidate
			}
		}
		out = append(out, found)
		after, changes = found, 1
	}
	slices.Reverse(out)
	return out
}

// follows reports whether so many interventions lead from an earlier state to this one.
func (t turn) follows(before turn, changes int) bool {
	for id, was := range before.taken {
		is, ok := t.taken[id]
		if !ok && was.Until.After(t.newest) || ok && (is.Taken != was.Taken || is.Kind != was.Kind || was.Withdrawn >= 0 && is.Withdrawn != was.Withdrawn) {
			return false
		}
	}
	return before.at <= t.at && len(t.changed(before)) == changes
}

// changed lists the verdicts that were taken or withdrawn since an earlier state; one that was both, twice: no single intervention
// does that.
func (t turn) changed(before turn) (ids []string) {
	for id, is := range t.taken {
		if _, known := before.taken[id]; !known && is.Kind != "" && is.Withdrawn >= 0 {
			ids = append(ids, id)
		}
		if was, known := before.taken[id]; !known || is.Withdrawn >= 0 && was.Withdrawn < 0 {
			ids = append(ids, id)
		}
	}
	return ids
}

// TestLine finds the way to the newest snapshot past one that a paused process wrote late: its verdict has ended since, so that
// nothing but the number of changes tells that the story has another beginning.
func TestLine(t *testing.T) {
	t.Parallel()
	at := func(n int64) time.Time { return time.Unix(n, 0) }
	noise := func(withdrawn int64) processors.Taken {
		return processors.Taken{ID: "noise", Kind: streams.VerdictNoise, Taken: 5, Withdrawn: withdrawn, Until: at(1000)}
	}
	state := func(n int64, list ...processors.Taken) turn {
		out := turn{n, at(n), map[string]processors.Taken{}}
		for _, v := range list {
			out.taken[v.ID] = v
		}
		return out
	}
	stale := state(1, processors.Taken{ID: "short", Kind: streams.VerdictReal, Taken: 1, Withdrawn: -1, Until: at(3)})
	first, second := state(5, noise(-1)), state(6, noise(6))
	h := &history{turn: 2, newest: second, turns: map[int64][]turn{1: {stale, first}, 2: {second}}}
	if line := h.line(); len(line) != 2 || line[0].at != 5 || line[1].at != 6 {
		t.Errorf("got %+v", line)
	}
}

// catchUp reads until nothing is left.
func (c *changelog) catchUp() {
	c.t.Helper()
	kafkatest.Eventually(c.t, 2*kafkatest.Deadline, func() error {
		if c.read(); c.behind() {
			return fmt.Errorf("topic %s is not read to its end", c.topic)
		}
		return nil
	})
}

// snapshot takes a record of a table apart, as processors/checkpoint/envelope.go draws it.
func snapshot(t testing.TB, b []byte) (at, turn int64, payload []byte) {
	t.Helper()
	if len(b) < 22 || b[0] != 2 || b[1] != 0 {
		t.Fatalf("not a whole snapshot of version 2: %.40q", b)
	}
	at, turn, b = int64(binary.LittleEndian.Uint64(b[2:])), int64(binary.LittleEndian.Uint64(b[10:])), b[18:len(b)-4]
	count := func() (n uint32) {
		n, b = binary.LittleEndian.Uint32(b), b[4:]
		return n
	}
	skip := func() { // A string or bytes.
		if n := count(); n != 0xffffffff {
			b = b[n:]
		}
	}
	position := func() {
		skip()
		b = b[4+8:]
	}
	for range count() {
		position()
	}
	for range count() { // The outbox.
		position()
		b = b[8+8:]
		skip() // Topic, key and value.
		skip()
		skip()
		for range count() {
			skip()
			skip()
		}
	}
	return at, turn, b
}
