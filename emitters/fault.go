package emitters

import "math/rand/v2"

// fault is a kind of trouble that an entity can have.
type fault struct {
	name   string
	events int // How long it lasts.
}

// trouble schedules the faults of one entity: after a calm time one fault of each kind in turn, with gaps of random
// length between them.
type trouble struct {
	kinds []fault
	gap   int
	wait  int // Events until the next fault.
	kind  int // Of the fault at hand or the next one.
	at    int // Event of the fault at hand, from 1; 0 for none.
}

// newTrouble schedules the faults of entity number i: entities do not fall ill at once, and not in the same order.
func newTrouble(cfg SimulatorConfig, i int, kinds []fault) trouble {
	return trouble{kinds: kinds, gap: cfg.Gap, wait: cfg.Calm + i*cfg.Gap/5, kind: i % len(kinds)}
}

// step moves on by one event and returns the fault at hand, its name "" for none, and how far it is, in (0, 1].
func (t *trouble) step(rng *rand.Rand) (name string, progress float64) {
	if t.at == 0 {
		if t.wait > 0 {
			t.wait--
			return "", 0
		}
	}
	t.at++
	f := t.kinds[t.kind]
	progress = float64(t.at) / float64(f.events)
	if t.at == f.events {
		t.at = 0
		t.kind = (t.kind + 1) % len(t.kinds)
		t.wait = t.gap/2 + rng.IntN(t.gap)
	}
	return f.name, progress
}
