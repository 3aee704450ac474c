package api

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"anomalystream/streams"
)

// Ways a connection starts, told in its hello frame.
const (
	resumeLive    = "live"    // Nothing was asked for, or nothing was missed beyond what memory held.
	resumeMemory  = "memory"  // What was missed came from memory: exact.
	resumeStore   = "store"   // What was missed came from the store too.
	resumePartial = "partial" // Something may be missing: a gap frame follows.
)

// overlap is how far before the last known anomaly the store is read again: writers commit in another order than the feed.
const overlap = 2 * time.Second

// looseOverlap is how far before a cursor the store is read again where the entry in it does not tell when it was stored: longer
// than another process was behind the store when it wrote the cursor.
const looseOverlap = time.Minute

// plan says what a resuming client gets.
type plan struct {
	mode    string
	entries []*entry // From the ring, in order of arrival.
	// What the store has to add: everything stored from this time on that seen does not exclude. Zero for nothing.
	from time.Time
	seen func(*entry) bool
	// The entry to look up first, where only its id is known.
	lookup string
	// When the cursor was written, zero where there was none.
	written time.Time
}

// subscribe adds a receiver to the feed, sending first what it missed since then. It returns once the connection is live;
// stop ends the membership. Between the plan and the first live frame nothing is lost: live messages are held.
func (f *feed) subscribe(ctx context.Context, key groupKey, from *since, r receiver) (stop func()) {
	gap := ""
	if from != nil && !f.awaitLoaded(ctx) {
		gap = "the " + f.cargo.items + " topic could not be read yet"
	}
	f.mu.Lock()
	f.flushLocked() // The plan covers what is pending, so it must not come to the newcomer as live too.
	p := f.plan(from)
	g, m := f.join(key, r)
	m.replaying = true
	joined, base := f.next, g.seq
	point := f.cursor(nil)
	f.mu.Unlock()

	var rows []*entry
	if p.lookup != "" || !p.from.IsZero() {
		missed, why := f.missed(ctx, &p)
		rows, gap = missed, cmp.Or(why, gap)
	}
	entries := f.fromStore(rows, p, joined, key, m)
	for _, e := range p.entries {
		if key.matches(e) {
			entries = append(entries, e)
		}
	}
	if from != nil && len(entries) > 0 {
		point = from.text // Until the replay has arrived, the client is where it was.
	}
	f.goLive(ctx, m, key, base, hello{mode: p.mode, cursor: point, gap: gap}, entries)
	return func() { f.leave(g, m) }
}

// plan decides where the missed anomalies come from. The lock is held.
func (f *feed) plan(from *since) plan {
	if from == nil {
		return plan{mode: resumeLive}
	}
	switch recent := f.recent(); {
	case from.cursor != nil && from.cursor.epoch == f.epoch:
		return f.planSeq(recent, from.cursor.seq, from.cursor.at)
	case from.cursor != nil:
		return f.planPositions(recent, from.cursor)
	case from.id != "":
		i := slices.IndexFunc(recent, func(e *entry) bool { return e.id == from.id })
		if i >= 0 && !recent[i].preloaded {
			return f.planSeq(recent, recent[i].seq, recent[i].at)
		}
		if i >= 0 {
			last := recent[i] // Where the other partitions were an id does not tell: rather twice than never.
			return plan{mode: resumeMemory, entries: slices.DeleteFunc(recent, func(e *entry) bool {
				if e.partition == last.partition && e.partition >= 0 {
					return e.offset <= last.offset
				}
				return e.preloaded && e.at.Before(last.at.Add(-overlap))
			})}
		}
		if n, ok := f.seen[from.id]; ok {
			return f.planSeq(recent, n, f.started) // Evicted from the ring: the store fills the hole.
		}
		return plan{mode: resumeStore, entries: recent, lookup: from.id}
	default:
		p := plan{mode: resumeStore, from: from.time}
		for _, e := range recent {
			if !e.at.Before(from.time) {
				p.entries = append(p.entries, e)
			}
		}
		return p
	}
}

// planSeq resumes after an arrival of this process: exact as long as the ring reaches back, else the index of ids tells
// which rows of the store the client has had.
func (f *feed) planSeq(recent []*entry, seq uint64, at time.Time) plan {
	p := plan{mode: resumeMemory, entries: slices.DeleteFunc(recent, func(e *entry) bool { return e.seq <= seq })}
	if seq+1 >= f.oldest() {
		return p
	}
	p.mode, p.from = resumeStore, at.Add(-overlap)
	p.seen = func(e *entry) bool {
		n, ok := f.seen[e.id]
		return ok && n <= seq
	}
	return p
}

// planPositions resumes after positions of the topic that another process noted.
func (f *feed) planPositions(recent []*entry, c *cursor) plan {
	had := func(e *entry) bool {
		o, ok := c.positions[e.partition]
		return ok && e.offset <= o
	}
	p := plan{mode: resumeMemory, entries: slices.DeleteFunc(slices.Clone(recent), had)}
	covered := len(c.positions) > 0
	for partition, o := range c.positions {
		low, ok := f.low[partition]
		covered = covered && ok && low <= o+1
	}
	if covered {
		return p
	}
	p.mode, p.lookup, p.written = resumeStore, c.id, c.at
	if c.id == "" {
		p.from = c.at.Add(-overlap)
	}
	gone := map[string]bool{}
	for _, e := range recent {
		gone[e.id] = had(e)
	}
	p.seen = func(e *entry) bool { return gone[e.id] }
	return p
}

// missed reads the store as the plan says. It returns rows in order, and why something may be missing.
func (f *feed) missed(ctx context.Context, p *plan) (rows []*entry, gap string) {
	ctx, cancel := context.WithTimeout(ctx, f.config.RequestTimeout)
	defer cancel()
	if p.lookup != "" {
		last, err := f.stored(ctx, p.lookup)
		if errors.Is(err, streams.ErrNotFound) {
			p.entries = nil // Without a point to start from, replaying all of memory would be a guess.
		}
		if err != nil {
			return nil, f.gapReason(err)
		}
		p.from = last.at.Add(-overlap)
		if safe := p.written.Add(-looseOverlap); last.loose && safe.After(p.from) {
			p.from = safe
		}
		had := p.seen
		p.seen = func(e *entry) bool {
			return had != nil && had(e) || e.line == last.line && e.place <= last.place
		}
	}
	at, row := p.from, ""
	for {
		page, err := f.cargo.past.since(ctx, at, row, 1000)
		if err != nil {
			f.log.Warn("reading what a live client missed", "error", err)
			return rows, f.gapReason(err)
		}
		rows = append(rows, page...)
		if len(page) < 1000 {
			return rows, ""
		}
		if len(rows) >= f.config.ReplayLimit {
			return rows, "more was missed than is replayed: fetch the rest with GET " + f.cargo.path
		}
		at, row = page[len(page)-1].at, page[len(page)-1].row
	}
}

// stored finds an entry in the store, waiting a moment for one that has just come.
func (f *feed) stored(ctx context.Context, id string) (*entry, error) {
	for deadline := time.Now().Add(3 * time.Second); ; {
		e, err := f.cargo.past.find(ctx, id)
		if err == nil || !errors.Is(err, streams.ErrNotFound) || time.Now().After(deadline) {
			return e, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (f *feed) gapReason(err error) string {
	if errors.Is(err, streams.ErrNotFound) {
		return "the " + f.cargo.one + " to resume after is not known"
	}
	return "the store does not answer"
}

// fromStore turns rows into entries, without those that the client has had, that the ring holds, or that come live.
func (f *feed) fromStore(rows []*entry, p plan, joined uint64, key groupKey, m *member) []*entry {
	f.mu.Lock()
	defer f.mu.Unlock()
	ring := map[string]bool{}
	for _, e := range p.entries {
		ring[e.id] = true
	}
	var out []*entry
	for _, e := range rows {
		n, known := f.seen[e.id]
		if ring[e.id] || known && n >= joined || p.seen != nil && p.seen(e) || !key.matches(e) {
			continue
		}
		if !known {
			if m.early == nil {
				m.early = map[string]bool{}
			}
			m.early[e.id] = true
		}
		out = append(out, e)
	}
	return out
}

// hello says how a connection starts.
type hello struct {
	mode   string // One of the resume modes.
	cursor string // Where the client is before the replay.
	gap    string // Why something may be missing, "" for nothing.
}

// goLive sends hello, the replay and what was held meanwhile, in this order and without holes in the numbers: live frames
// are numbered from base on, those of the replay end at it. It goes as fast as the client reads; nobody else waits for it.
func (f *feed) goLive(ctx context.Context, m *member, key groupKey, base uint64, h hello, entries []*entry) {
	chunks := slices.Collect(slices.Chunk(entries, key.chunk()))
	frames := uint64(len(chunks))
	if h.gap != "" {
		frames++
		h.mode = resumePartial
	}
	seq := base - frames
	m.send(key.encode(seq, frameHello, map[string]any{
		"cursor": h.cursor, "resume": h.mode, "replayed": len(entries), "heartbeat_seconds": f.config.Heartbeat.Seconds(),
	}))
	for _, chunk := range chunks {
		seq++
		if m.send(key.encodeItems(seq, chunk, true)); !m.drain(ctx) {
			return
		}
	}
	if h.gap != "" {
		m.send(key.encode(seq+1, frameGap, map[string]any{"reason": h.gap}))
	}
	f.metrics.replayed.Add(float64(len(entries)))
	for f.release(m) {
		if !m.drain(ctx) {
			return
		}
	}
}

// release sends some of what was held for a member, and makes it live with the last of it. It reports whether there is more.
func (f *feed) release(m *member) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := min(len(m.held), maxBacklog)
	m.send(m.held[:n])
	m.held = m.held[n:]
	m.replaying = len(m.held) > 0
	return m.replaying
}
