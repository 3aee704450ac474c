package api

import (
	"cmp"
	"context"
	"slices"
	"time"

	"anomalystream/streams"
)

// receiver is one live connection's way out. Its send never waits: a receiver that falls behind is cut by its owner.
type receiver interface {
	send(messages [][]byte)
	// drain waits until the client has taken most of what it was sent. It reports false when the context ended first.
	drain(ctx context.Context) bool
	cut(reason string)
}

// member is a receiver inside a group.
type member struct {
	receiver
	replaying bool // Live messages are held until what was missed has been sent.
	held      [][]byte
	// early holds ids that were replayed from the store before the feed brought them: they must not come twice.
	early map[string]bool
}

// group is the set of connections with equal filter and format; they share sequence numbers and bytes.
type group struct {
	key     groupKey
	seq     uint64 // Of the last frame.
	members map[*member]struct{}
}

// firstSeq leaves room below for the frames of a replay, which are numbered backwards from the group's number.
const firstSeq = 1 << 20

// maxHeld bounds the messages held for a client that is still reading its replay.
const maxHeld = 1200

// run flushes the feed until the context ends. The first anomaly after a pause goes out at once, later ones are coalesced.
func (f *feed) run(ctx context.Context) {
	heartbeat := time.NewTicker(f.config.Heartbeat)
	defer heartbeat.Stop()
	statuses := time.NewTicker(time.Second)
	defer statuses.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-heartbeat.C:
			f.heartbeat()
		case <-statuses.C:
			f.pushStatuses()
		case <-f.wake:
			f.flush()
			select {
			case <-ctx.Done():
				return
			case <-time.After(f.config.FlushEvery):
			}
		}
	}
}

// flush sends everything pending.
func (f *feed) flush() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.flushLocked()
}

func (f *feed) flushLocked() {
	started := time.Now()
	for pending := f.pending; len(pending) > 0; {
		n := min(len(pending), maxFrameItems)
		for _, g := range f.groups {
			g.items(pending[:n])
		}
		pending = pending[n:]
	}
	f.pending = f.pending[:0:0]
	if len(f.deleted) > 0 {
		for _, g := range f.groups {
			g.frame(frameDeleted, map[string]any{"ids": f.deleted})
		}
		f.deleted = nil
	}
	if len(f.rollups) > 0 {
		rollups := make([]streams.Rollup, 0, len(f.rollups))
		for _, r := range f.rollups {
			rollups = append(rollups, rollupOut(r))
		}
		slices.SortFunc(rollups, func(a, b streams.Rollup) int {
			return cmp.Or(a.Minute.Compare(b.Minute), cmp.Compare(a.Stream, b.Stream), cmp.Compare(a.Entity, b.Entity))
		})
		clear(f.rollups)
		for key, g := range f.groups {
			if key.rollups {
				items := slices.Collect(filterSeq(rollups, func(r streams.Rollup) bool { return key.source(r.Stream, r.Entity) }))
				if len(items) > 0 {
					g.frame(frameRollups, map[string]any{"rollups": items})
				}
			}
		}
	}
	f.metrics.flush.Observe(time.Since(started).Seconds())
}

func filterSeq[T any](s []T, keep func(T) bool) func(func(T) bool) {
	return func(yield func(T) bool) {
		for _, v := range s {
			if keep(v) && !yield(v) {
				return
			}
		}
	}
}

func (f *feed) heartbeat() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.flushLocked() // The cursor covers what is pending, so it must go out first.
	fields := map[string]any{"cursor": f.cursor(nil), "time": utc(f.now())}
	for _, g := range f.groups {
		g.frame(frameHeartbeat, fields)
	}
}

// pushStatuses sends the detectors whose status changed since it was last sent.
func (f *feed) pushStatuses() {
	f.mu.Lock()
	wanted := false
	for key := range f.groups {
		wanted = wanted || key.detectors
	}
	f.mu.Unlock()
	if !wanted {
		return
	}
	all := f.statuses.List("")
	f.mu.Lock()
	defer f.mu.Unlock()
	var changed []streams.DetectorStatus
	for _, s := range all {
		if !f.sent[s.Key()].Equal(s.CheckpointAt) {
			f.sent[s.Key()] = s.CheckpointAt
			changed = append(changed, statusOut(s))
		}
	}
	for key, g := range f.groups {
		if !key.detectors {
			continue
		}
		items := slices.Collect(filterSeq(changed, func(s streams.DetectorStatus) bool { return key.source(s.Stream, s.Entity) }))
		for chunk := range slices.Chunk(items, maxFrameItems) {
			g.frame(frameDetectors, map[string]any{"detectors": chunk})
		}
	}
}

// items sends those entries that pass the group's filter.
func (g *group) items(entries []*entry) {
	matching := slices.Collect(filterSeq(entries, func(e *entry) bool { return e.body != nil && g.key.matches(e) }))
	if len(matching) == 0 {
		return
	}
	g.seq++
	shared := g.key.encodeItems(g.seq, matching, false)
	for m := range g.members {
		if !slices.ContainsFunc(matching, func(e *entry) bool { return m.early[e.id] }) {
			m.deliver(shared)
			continue
		}
		rest := slices.Collect(filterSeq(matching, func(e *entry) bool { return !m.early[e.id] }))
		if len(rest) == 0 { // The number is taken: tell the cursor.
			m.deliver(g.key.encode(g.seq, frameHeartbeat, map[string]any{"cursor": matching[len(matching)-1].cursor}))
			continue
		}
		m.deliver(g.key.encodeItems(g.seq, rest, false))
	}
}

// frame sends a frame of another type to every member.
func (g *group) frame(kind string, fields map[string]any) {
	g.seq++
	messages := g.key.encode(g.seq, kind, fields)
	for m := range g.members {
		m.deliver(messages)
	}
}

func (m *member) deliver(messages [][]byte) {
	if !m.replaying {
		m.send(messages)
		return
	}
	if m.held = append(m.held, messages...); len(m.held) > maxHeld {
		m.held = nil
		m.cut("replay read too slowly")
	}
}

// join adds a receiver to the group of its filter. The lock is held.
func (f *feed) join(key groupKey, r receiver) (*group, *member) {
	g := f.groups[key]
	if g == nil {
		g = &group{key: key, seq: firstSeq, members: map[*member]struct{}{}}
		f.groups[key] = g
		if key.detectors {
			clear(f.sent) // A new group starts with every status.
		}
	}
	m := &member{receiver: r}
	g.members[m] = struct{}{}
	return g, m
}

// leave removes a member; the last one takes the group with it.
func (f *feed) leave(g *group, m *member) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(g.members, m)
	m.held = nil
	if len(g.members) == 0 && f.groups[g.key] == g {
		delete(f.groups, g.key)
	}
}
