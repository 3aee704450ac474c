package checkpoint

import (
	"fmt"
	"maps"
	"slices"
)

// headerChunk marks the records of the table that are chunks of a snapshot.
const headerChunk = "anomalystream-chunk"

// load takes one record of the table while the partition recovers, in the order of the table. A nil value deletes.
//
// Of two snapshots of a key the one of greater age counts, wherever it stands: a process that was paused may have written a
// younger one after it before it noticed that its partition belongs to another, and a sweep one that it took before an
// intervention.
func (p *partition[S]) load(key string, value []byte, chunk bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case chunk && value == nil:
		delete(p.chunks, key)
		return
	case chunk:
		p.chunks[key] = value
		return
	case value == nil:
		delete(p.keys, key)
		return
	}
	e := p.keys[key]
	if e == nil {
		e = &entry[S]{key: key, age: age{at: -1}}
		p.keys[key] = e
	}
	a, _, _, err := readHead(value)
	if err == nil && e.unreadable == nil && a.less(e.age) {
		p.stale++
		p.mark(e)
		return
	}
	e.age, e.record, e.unreadable = a, value, err
}

// recovered ends the recovery. Snapshots are read here but their states are made when they are first used.
func (p *partition[S]) recovered() {
	p.mu.Lock()
	defer p.mu.Unlock()
	used := map[string]bool{}
	for _, e := range p.keys {
		if e.unreadable == nil {
			e.unreadable = p.open(e, used)
		}
		e.record = nil
		e.careful = p.group.isCareful(e.key)
		if err := e.unreadable; err != nil {
			e.dirty = false
			p.spoil(e, err)
		}
	}
	for key := range p.chunks {
		if !used[key] {
			p.orphans = append(p.orphans, key)
		}
	}
	slices.Sort(p.orphans)
	p.chunks = map[string][]byte{}
	p.counted = true
	p.group.metrics.keys.Add(float64(len(p.keys)))
	p.group.metrics.stale.Add(float64(p.stale))
	if p.stale > 0 {
		p.group.log.Warn("ignored snapshots older than what their keys had applied: another process wrote after it lost this partition", "partition", p.id, "snapshots", p.stale)
	}
}

// open reads the snapshot of an entry.
func (p *partition[S]) open(e *entry[S], used map[string]bool) error {
	_, content, chunks, err := readHead(e.record)
	if err != nil {
		return err
	}
	if chunks != nil {
		for _, k := range chunks.keys(e.key) {
			used[k] = true
		}
		if content, err = chunks.join(e.key, func(k string) []byte { return p.chunks[k] }); err != nil {
			return err
		}
		e.written = chunks
	}
	b, err := readBody(content)
	if err != nil {
		return err
	}
	// A copy: the record shares memory with everything else that was fetched with it.
	e.last, e.outbox, e.payload = b.last, b.outbox, slices.Clone(b.payload)
	return nil
}

// newest returns, for each partition of each topic, the last offset that any key has applied.
func (p *partition[S]) newest() map[Position]int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := map[Position]int64{}
	for _, e := range p.keys {
		for _, l := range e.last {
			at := Position{Topic: l.Topic, Partition: l.Partition}
			out[at] = max(out[at], l.Offset)
		}
		if e.unreadable == nil && e.at >= 0 {
			at := Position{Topic: p.group.input, Partition: p.id}
			out[at] = max(out[at], e.at)
		}
	}
	return out
}

// verify refuses a state that has applied offsets which its topics do not have: a topic was deleted and created again, and
// its new messages would be taken for old ones. end returns the offset after a partition's last message.
func (p *partition[S]) verify(end func(topic string, partition int32) (int64, error)) error {
	newest := p.newest()
	for _, at := range slices.SortedFunc(maps.Keys(newest), comparePositions) {
		have, err := end(at.Topic, at.Partition)
		if err != nil {
			return fmt.Errorf("reading the end of topic %s, partition %d: %w", at.Topic, at.Partition, err)
		}
		if newest[at] >= have {
			return fmt.Errorf("topic %s, partition %d ends at offset %d, but the state in topic %s has applied offset %d: was the topic deleted and created again? Reset the state of the group to go on",
				at.Topic, at.Partition, have, p.group.table, newest[at])
		}
	}
	return nil
}

// drop gives up the partition: its keys no longer count.
func (p *partition[S]) drop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.counted {
		return
	}
	unreadable := 0
	for _, e := range p.keys {
		if e.unreadable != nil {
			unreadable++
		}
	}
	p.group.metrics.keys.Sub(float64(len(p.keys)))
	p.group.metrics.unreadable.Sub(float64(unreadable))
	p.keys, p.dirty = map[string]*entry[S]{}, nil
}

// reset gives a key a new state and reports whether the partition has the key. What it applied it does not apply again.
func (p *partition[S]) reset(key string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.keys[key]
	if e == nil {
		return false
	}
	if e.unreadable != nil {
		p.group.metrics.unreadable.Dec()
		e.unreadable = nil
		e.at = p.applied.Load()
	}
	e.state, e.live, e.payload = p.app.New(key), true, nil
	p.mark(e)
	return true
}

// look calls f with the state of a key, and reports whether there is one that can be read. The partition waits meanwhile.
func (p *partition[S]) look(key string, f func(S)) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.keys[key]
	if e == nil {
		return false
	}
	p.restore(e)
	if e.unreadable != nil {
		return false
	}
	f(e.state)
	return true
}
