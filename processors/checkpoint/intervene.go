package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// ErrNotReady says that an intervention is not possible at the moment and may be tried again: the group does not read its
// input, or still reads messages that an earlier session may have applied.
var ErrNotReady = errors.New("the group cannot be intervened in now")

// Intervene lets change change the state of a key between two messages of its partition. Where change returns true the
// key's snapshot is written and acknowledged before the next of those messages is applied: from then on the change has its
// place in the order of the key's messages, and no crash moves it. Where it returns false it must have left the state alone.
//
// It reports whether this process has a state of that key that can be read; a key never seen is left alone. With an error
// the change has not happened, or is not known to have: change must recognise what it did before. A panic of change is such
// an error and leaves the state as it was. The context ends the wait for the turn only.
func (g *Group[S]) Intervene(ctx context.Context, key string, change func(S) bool) (owned bool, err error) {
	r := g.current()
	if r == nil {
		return false, ErrNotReady
	}
	r.gate.RLock()
	defer r.gate.RUnlock()
	if r.admitting == nil {
		return false, ErrNotReady
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(r.admitting.ctx, cancel)()
	for _, p := range r.all() { // Producers that place a key differently give it two states.
		has, err := r.intervene(ctx, p, key, change)
		if owned = owned || has; err != nil {
			return owned, err
		}
	}
	return owned, nil
}

// Sessions returns how many times this process has begun to read its input: whatever holds for the keys it has must be seen
// to again when the number has changed.
func (g *Group[S]) Sessions() int64 { return g.shared.sessions.Load() }

// admit opens a session to interventions. With nil it ends them, and waits for those under way.
func (r *run[S]) admit(s *session) {
	r.gate.Lock()
	defer r.gate.Unlock()
	if r.admitting = s; s != nil {
		r.group.shared.sessions.Add(1)
	}
}

// intervene changes a key of one partition, in its turn, and keeps the turn until the snapshot is acknowledged.
func (r *run[S]) intervene(ctx context.Context, p *partition[S], key string, change func(S) bool) (owned bool, err error) {
	if err := p.mu.LockContext(ctx); err != nil {
		return false, err
	}
	defer p.mu.Unlock()
	if p.failed.Load() || p.applied.Load() < p.past-1 || !r.pulse.beats() {
		// What was applied without the change, and whose output is written, must be applied without it again.
		return false, ErrNotReady
	}
	e := p.keys[key]
	if e == nil {
		return false, nil
	}
	if p.restore(e); e.unreadable != nil {
		return false, nil
	}
	if changed, err := r.change(p, e, change); err != nil || !changed {
		return true, err
	}
	e.turn++
	acks := &acks{}
	var writes [][]write
	if reason := guard(func() { writes = p.seal(e, r.reporter(acks)) }); reason != "" {
		err = fmt.Errorf("saving key %q panicked: %s", key, firstLine(reason))
	} else {
		r.put(p, writes, acks)
		err = acks.wait(r.admitting.ctx)
	}
	if err == nil && !r.pulse.beats() {
		err = errPaused
	}
	if err != nil {
		r.spoil(p, err)
		return true, fmt.Errorf("saving an intervention in key %q: %w", key, err)
	}
	return true, nil
}

// change calls f with the state of an entry; after a panic the state is what it was.
func (r *run[S]) change(p *partition[S], e *entry[S], f func(S) bool) (changed bool, err error) {
	reason := guard(func() {
		p.undo = p.app.Append(p.undo[:0], e.state)
		changed = f(e.state)
	})
	if reason == "" {
		return changed, nil
	}
	err = fmt.Errorf("intervening in key %q panicked: %s", e.key, firstLine(reason))
	restored := false
	guard(func() {
		if state, err := p.app.Restore(e.key, slices.Clone(p.undo)); err == nil {
			e.state, restored = state, true
		}
	})
	if !restored {
		r.spoil(p, err)
	}
	return false, err
}
