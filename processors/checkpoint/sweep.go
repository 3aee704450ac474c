package checkpoint

import (
	"hash/crc32"
	"math/rand/v2"
	"time"

	"github.com/lovoo/goka/storage"
)

// chunkSize is the largest body that one record holds; larger ones are cut.
const chunkSize = 512 << 10

// write is one record of the table.
type write struct {
	key   string
	value []byte // nil deletes.
	chunk bool
}

// snapshot returns the records that save a key, in stages that must follow one another, and what its report emits. It returns
// none for a key that has not changed since its last snapshot or must stay as it is.
func (p *partition[S]) snapshot(key string) ([][]write, []Output) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.keys[key]
	if e == nil || !e.dirty {
		return nil, nil
	}
	p.restore(e)
	e.dirty = false
	if e.unreadable != nil {
		return nil, nil
	}
	p.prune(e)
	b := appendHead(make([]byte, 0, p.sizeHint(e)), kindWhole, e.at)
	b = appendBody(b, e.last, e.outbox)
	before := len(b)
	b = p.app.Append(b, e.state)
	size := len(b) - before
	e.size = len(b)
	p.group.metrics.snapshotBytes.Add(float64(len(b)))
	p.group.metrics.snapshots.Inc()

	var obsolete []write // Until the new snapshot is there the old one needs its chunks.
	if e.written != nil {
		obsolete = deletions(e.written.keys(key))
	}
	chunks, head := p.split(e, b)
	e.payload = nil
	p.out.truncate(0)
	if reason := guard(func() { p.app.Report(key, e.state, size, &p.out) }); reason != "" {
		p.group.log.Error("reporting on a key panicked", "key", key, "panic", reason)
		p.out.truncate(0)
	}
	return [][]write{chunks, {head}, obsolete}, p.out.list
}

// split turns head and body into one record, or into chunks and a record that names them.
func (p *partition[S]) split(e *entry[S], b []byte) (chunks []write, head write) {
	content := b[envelopeHead:]
	if len(content) <= chunkSize {
		e.written = nil
		return nil, write{key: e.key, value: appendChecksum(b)}
	}
	m := manifest{id: rand.Uint64(), size: uint64(len(content)), checksum: crc32.Checksum(content, castagnoli)}
	for len(content) > 0 {
		n := min(len(content), chunkSize)
		chunks = append(chunks, write{key: m.chunkKey(e.key, m.chunks), value: content[:n:n], chunk: true})
		content = content[n:]
		m.chunks++
	}
	e.written = &m
	return chunks, write{key: e.key, value: appendChecksum(appendManifest(appendHead(nil, kindChunked, e.at), m))}
}

// deletions returns the records that delete chunks.
func deletions(keys []string) []write {
	out := make([]write, len(keys))
	for i, k := range keys {
		out[i] = write{key: k, chunk: true}
	}
	return out
}

// sizeHint is the size of the last snapshot, to allocate once.
func (p *partition[S]) sizeHint(e *entry[S]) int {
	return max(e.size+e.size/8, len(e.payload)+1024)
}

// take returns the entries that have changed since the last sweep and those a broken sweep left.
func (p *partition[S]) take() []*entry[S] {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := p.dirty
	p.dirty = nil
	for _, e := range list {
		e.listed = false
	}
	return list
}

// giveBack lists the entries again that a sweep did not reach.
func (p *partition[S]) giveBack(list []*entry[S]) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range list {
		if e.dirty && !e.listed {
			p.mark(e)
		}
	}
}

// markAll lists every key for the next sweep.
func (p *partition[S]) markAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.keys {
		if e.unreadable == nil {
			p.mark(e)
		}
	}
}

// takeOrphans returns the chunks that no snapshot names, once.
func (p *partition[S]) takeOrphans() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := p.orphans
	p.orphans = nil
	return out
}

// table is the goka storage of a partition's state. The state itself lives in the partition: nothing is read or written here,
// but goka visits the keys that Iterator yields, and that is how a sweep reaches the partition's goroutine.
type table[S any] struct {
	partition *partition[S]
	pacing    func() time.Duration // Pause between two keys, 0 for none.
}

func (t *table[S]) Open() error                      { return nil }
func (t *table[S]) Close() error                     { return nil }
func (t *table[S]) MarkRecovered() error             { t.partition.recovered(); return nil }
func (t *table[S]) Has(string) (bool, error)         { return false, nil }
func (t *table[S]) Get(string) ([]byte, error)       { return nil, nil }
func (t *table[S]) Set(string, []byte) error         { return nil }
func (t *table[S]) Delete(string) error              { return nil }
func (t *table[S]) SetOffset(int64) error            { return nil }
func (t *table[S]) GetOffset(d int64) (int64, error) { return d, nil }

// Iterator yields the keys to save.
func (t *table[S]) Iterator() (storage.Iterator, error) {
	return &sweep[S]{table: t, list: t.partition.take(), at: -1}, nil
}

// IteratorWithRange yields what Iterator does: goka visits without a range.
func (t *table[S]) IteratorWithRange(_, _ []byte) (storage.Iterator, error) { return t.Iterator() }

// sweep iterates over the keys to save.
type sweep[S any] struct {
	table *table[S]
	list  []*entry[S]
	at    int
}

// Next moves to the next key, after a pause if the sweep is paced.
func (s *sweep[S]) Next() bool {
	s.at++
	if s.at >= len(s.list) {
		return false
	}
	if pause := s.table.pacing(); s.at > 0 && pause > 0 {
		time.Sleep(pause)
	}
	return true
}

func (s *sweep[S]) Err() error             { return nil }
func (s *sweep[S]) Key() []byte            { return []byte(s.list[s.at].key) }
func (s *sweep[S]) Value() ([]byte, error) { return nil, nil }
func (s *sweep[S]) Seek([]byte) bool       { return false }

// Release ends the sweep.
func (s *sweep[S]) Release() { s.table.partition.giveBack(s.list) }
