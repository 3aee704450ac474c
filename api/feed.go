package api

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"anomalystream/streams"
)

// entry is one anomaly of the feed, or one revision of an incident.
type entry struct {
	seq       uint64 // Number of arrival in this process, from 1.
	id        string
	row       string // Its id in the store, which has the newest revision of an incident only.
	line      string // Entries of one line come in the order of their places.
	place     int64
	loose     bool // Stored at this time or later: the store has a newer revision.
	stream    string
	entity    string
	score     float64
	severity  float64
	partition int32 // Of the topic; -1 when it came from the store.
	offset    int64
	at        time.Time // When the record was written.
	preloaded bool      // Past when it came: written before this process started, or read before the feed was loaded.
	body      []byte    // The anomaly or incident in JSON; nil once deleted.
	cursor    string    // Resumes after this entry.
}

// feed joins what a topic of anomalies or incidents brings with what the store holds, drops repetitions by id, remembers the recent past
// for clients that resume, and hands frames to groups of clients with equal filters. Deliveries never wait for a client.
type feed struct {
	cargo    cargo
	statuses Statuses
	log      *slog.Logger
	metrics  feedMetrics
	now      func() time.Time
	config   Config
	epoch    string // Names this process in cursors.
	started  time.Time
	isLoaded func() bool // See Deps.FeedLoaded.
	hasPast  atomic.Bool // It was true once.

	mu        sync.Mutex
	next      uint64 // Number of the next arrival.
	ring      []*entry
	head      int               // Index of the oldest entry once the ring is full.
	seen      map[string]uint64 // Arrival number by id, for many more anomalies than the ring holds.
	order     []string          // Ids of seen, oldest first, circular at orderHead.
	orderHead int
	last      map[int32]int64 // Newest offset by partition.
	low       map[int32]int64 // Lowest offset the ring holds everything since, by partition.
	pending   []*entry
	rollups   map[string]streams.Rollup
	deleted   []string
	groups    map[groupKey]*group
	sent      map[string]time.Time // CheckpointAt of the statuses sent, by detector key.
	wake      chan struct{}
}

func newFeed(c Config, carry cargo, statuses Statuses, isLoaded func() bool, m feedMetrics) *feed {
	if isLoaded == nil {
		isLoaded = func() bool { return true }
	}
	return &feed{
		cargo: carry, statuses: statuses, isLoaded: isLoaded, log: c.Log, metrics: m, now: c.Now, config: c,
		epoch: strconv.FormatUint(uint64(rand.Uint32()), 36), started: c.Now(), next: 1,
		seen: map[string]uint64{}, last: map[int32]int64{}, low: map[int32]int64{},
		rollups: map[string]streams.Rollup{}, groups: map[groupKey]*group{}, sent: map[string]time.Time{},
		wake: make(chan struct{}, 1),
	}
}

// loaded reports whether the past of the topic is in memory.
func (f *feed) loaded() bool {
	if !f.hasPast.Load() && f.isLoaded() {
		f.hasPast.Store(true)
	}
	return f.hasPast.Load()
}

// awaitLoaded waits for the past of the topic as long as a request may take, and reports whether it is there.
func (f *feed) awaitLoaded(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, f.config.RequestTimeout)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !f.loaded() {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
	return true
}

// offer takes an entry into the feed unless it is known. Partition is -1 for one that the store brought.
func (f *feed) offer(e *entry, partition int32, offset int64, at time.Time) {
	loaded := f.loaded()
	f.mu.Lock()
	defer f.mu.Unlock()
	if partition >= 0 {
		if _, ok := f.low[partition]; !ok {
			f.low[partition] = offset
		}
		f.last[partition] = max(f.last[partition], offset)
	}
	if _, ok := f.seen[e.id]; ok {
		f.metrics.duplicates.Inc()
		return
	}
	e.seq, e.partition, e.offset, e.at, e.preloaded = f.next, partition, offset, at, at.Before(f.started) || !loaded
	f.next++
	f.remember(e)
	e.cursor = f.cursor(e)
	if !loaded && at.Before(f.started) {
		return // For those who resume; to the others it is no news.
	}
	f.pending = append(f.pending, e)
	f.metrics.delivered.WithLabelValues(e.stream).Inc()
	f.wakeUp()
}

// remember puts an entry into the ring and its id into the index. The lock is held.
func (f *feed) remember(e *entry) {
	if len(f.ring) < f.config.FeedHistory {
		f.ring = append(f.ring, e)
	} else {
		if old := f.ring[f.head]; old.partition >= 0 {
			f.low[old.partition] = max(f.low[old.partition], old.offset+1)
		}
		f.ring[f.head] = e
		f.head = (f.head + 1) % len(f.ring)
	}
	f.seen[e.id] = e.seq
	if len(f.order) < 10*f.config.FeedHistory {
		f.order = append(f.order, e.id)
		return
	}
	delete(f.seen, f.order[f.orderHead])
	f.order[f.orderHead] = e.id
	f.orderHead = (f.orderHead + 1) % len(f.order)
}

// recent returns the ring's living entries, oldest first. The lock is held.
func (f *feed) recent() []*entry {
	out := make([]*entry, 0, len(f.ring))
	for i := range f.ring {
		if e := f.ring[(f.head+i)%len(f.ring)]; e.body != nil {
			out = append(out, e)
		}
	}
	return out
}

// newest returns the newest entry of a line that the feed remembers and when its record was written, nil where it has none.
func (f *feed) newest(line string) (found *entry) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range f.recent() {
		if e.line == line && (found == nil || e.place > found.place) {
			found = e
		}
	}
	return found
}

// oldest returns the arrival number of the oldest entry still in the ring. The lock is held.
func (f *feed) oldest() uint64 {
	if len(f.ring) == 0 {
		return f.next
	}
	return f.ring[f.head].seq
}

func (f *feed) wakeUp() { signal(f.wake) }

// signal wakes whoever waits on a channel of capacity 1; signals that nobody has taken yet become one.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// offerRollup takes a rollup; a later one of the same detector and minute replaces it before it is sent.
func (f *feed) offerRollup(r streams.Rollup) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for key := range f.groups {
		if key.rollups {
			f.rollups[streams.DetectorKey(r.Stream, r.Entity)+"\x00"+r.Minute.Format(time.RFC3339)] = r
			f.wakeUp()
			return
		}
	}
}

// remove forgets a deleted anomaly and tells the clients.
func (f *feed) remove(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	// Entries are shared with replays under way: they are replaced, never changed.
	for _, entries := range [][]*entry{f.ring, f.pending} {
		for i, e := range entries {
			if e.id == id {
				gone := *e
				gone.body = nil
				entries[i] = &gone
			}
		}
	}
	f.deleted = append(f.deleted, id)
	f.wakeUp()
}
