package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"anomalystream/internal/retry"
)

// chunkSize is the largest body that one record holds; larger ones are cut.
const chunkSize = 512 << 10

// write is one record of the table.
type write struct {
	key   string
	value []byte // nil deletes.
	chunk bool
}

// save writes a snapshot of every key of a partition that has changed since it was called last, and waits until all are
// acknowledged. It ends with an error when the context ends, or a snapshot cannot be made or written.
//
// It takes turns with the messages: p.mu is handed over in order, so neither waits for more than one of the other.
func (r *run[S]) save(ctx context.Context, p *partition[S], pace *pace) error {
	list := p.take()
	defer p.giveBack(list)
	acks := &acks{}
	for i, e := range list {
		if i > 0 && !r.hurry.Load() {
			if pause := max(r.group.config.Pacing, pace.pause()); pause > 0 {
				_ = retry.Sleep(ctx, pause)
			}
		}
		if ctx.Err() != nil {
			break
		}
		written, err := r.saveKey(p, e.key, acks)
		if err != nil {
			r.spoil(p, err)
			return err
		}
		pace.written.Add(written)
	}
	if err := acks.wait(ctx); err != nil {
		if ctx.Err() == nil {
			r.spoil(p, err)
		}
		return err
	}
	return nil
}

// spoil ends the run after a key was counted as saved and was not.
func (r *run[S]) spoil(p *partition[S], err error) {
	p.failed.Store(true)
	r.fail(err)
}

// pace keeps a sweep to the bandwidth of snapshots.
type pace struct {
	started   time.Time
	bandwidth float64 // Bytes per second.
	written   atomic.Int64
}

// pause is how long the sweep is ahead of its time.
func (p *pace) pause() time.Duration {
	due := time.Duration(float64(p.written.Load()) / p.bandwidth * float64(time.Second))
	return due - time.Since(p.started)
}

// saveKey writes one snapshot and what its report emits, and returns the bytes of the snapshot.
func (r *run[S]) saveKey(p *partition[S], key string, acks *acks) (written int64, err error) {
	if !r.pulse.beats() {
		return 0, errPaused
	}
	var writes [][]write
	if reason := guard(func() { writes = p.snapshot(key, r.reporter(acks)) }); reason != "" {
		return 0, fmt.Errorf("saving key %q panicked: %s", key, reason)
	}
	return r.put(p, writes, acks), nil
}

// reporter writes what reports emit.
func (r *run[S]) reporter(acks *acks) func(Output) {
	return func(o Output) {
		acks.add(func(done func(error)) { r.producer.EmitWithHeaders(o.Topic, o.Key, o.Value, o.Headers).Then(done) })
	}
}

// put writes the records of a snapshot and returns their bytes.
func (r *run[S]) put(p *partition[S], writes [][]write, acks *acks) (written int64) {
	if writes == nil {
		return 0
	}
	for _, stage := range writes {
		for _, w := range stage {
			written += int64(len(w.value))
		}
	}
	acks.add(func(done func(error)) { r.producer.write(r.group.shared.table, p.id, writes, done) })
	return written
}

// acks counts acknowledgements that are still to come.
type acks struct {
	open sync.WaitGroup
	mu   sync.Mutex
	err  error
}

// add starts something that calls done once.
func (a *acks) add(start func(done func(error))) {
	a.open.Add(1)
	start(func(err error) {
		a.mu.Lock()
		if a.err == nil {
			a.err = err
		}
		a.mu.Unlock()
		a.open.Done()
	})
}

// wait waits until everything added is done and returns the first error, or that of the context when it ends before.
func (a *acks) wait(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		a.open.Wait()
		close(done)
	}()
	select {
	case <-ctx.Done():
		return errors.Join(errors.New("the session ended before all snapshots were acknowledged"), ctx.Err())
	case <-done:
		return a.err
	}
}

// snapshot returns the records that save a key, in stages that must follow one another, and emits its report. It returns none
// for a key that has not changed since its last snapshot or must stay as it is.
func (p *partition[S]) snapshot(key string, emit func(Output)) [][]write {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e := p.keys[key]; e != nil && e.dirty && !p.failed.Load() {
		return p.seal(e, emit)
	}
	return nil
}

// seal is snapshot for whoever has the turn.
func (p *partition[S]) seal(e *entry[S], emit func(Output)) [][]write {
	p.restore(e)
	e.dirty = false
	if e.unreadable != nil {
		return nil
	}
	p.prune(e)
	b := appendHead(make([]byte, 0, p.sizeHint(e)), kindWhole, e.age)
	b = appendBody(b, e.last, e.outbox)
	before := len(b)
	b = p.app.Append(b, e.state)
	size := len(b) - before
	e.size = len(b)
	p.group.metrics.snapshotBytes.Add(float64(len(b)))
	p.group.metrics.snapshots.Inc()

	var obsolete []write // Until the new snapshot is there the old one needs its chunks.
	if e.written != nil {
		obsolete = deletions(e.written.keys(e.key))
	}
	chunks, head := p.split(e, b)
	e.payload = nil
	var report Outputs
	if reason := guard(func() { p.app.Report(e.key, e.state, size, &report) }); reason != "" {
		p.group.log.Error("reporting on a key panicked", "key", e.key, "panic", reason)
		report.truncate(0)
	}
	for _, o := range report.list {
		emit(o)
	}
	return [][]write{chunks, {head}, obsolete}
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
	return chunks, write{key: e.key, value: appendChecksum(appendManifest(appendHead(nil, kindChunked, e.age), m))}
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
