package processors_test

import (
	"bytes"
	"fmt"
	"testing"

	"anomalystream/processors"
	"anomalystream/streams"
)

// interventions are the verdicts and withdrawals that the detectors of a stream took, each with its place among the events of its
// key. Which place it is, the checkpoints decide; the changelog tells.
type interventions struct {
	t      testing.TB
	log    *changelog
	order  map[string][]intervention // By key, in order.
	taken  map[string]int            // How often each verdict was taken, and
	undone map[string]int            // how often taken back, by id.
}

// intervention is one of them: after the message at this offset of the input, and before the next one of its key.
type intervention struct {
	after    int64
	feedback *streams.Feedback
}

// intervened compares each intervention with the one before it, by which it is known what it changed.
func intervened(t testing.TB, log *changelog, said []*streams.Feedback) *interventions {
	t.Helper()
	v := &interventions{t: t, log: log, order: map[string][]intervention{}, taken: map[string]int{}, undone: map[string]int{}}
	verdicts, withdrawals := map[string]*streams.Feedback{}, map[string]*streams.Feedback{}
	for _, f := range said {
		switch f.Action {
		case streams.ActionVerdict:
			verdicts[f.ID] = f
		case streams.ActionWithdraw:
			withdrawals[f.Withdraw] = f
		}
	}
	for key, h := range log.keys {
		before := turn{taken: map[string]processors.Taken{}}
		for n, now := range h.line() {
			if now.taken == nil {
				t.Fatalf("intervention %d of %d in %q was never saved", n+1, h.turn, key)
			}
			changed := now.changed(before)
			if len(changed) != 1 {
				t.Fatalf("intervention %d in %q changed the verdicts %v", n+1, key, changed)
			}
			id := changed[0]
			f := verdicts[id]
			if _, known := before.taken[id]; known || now.taken[id].Kind == "" {
				f = withdrawals[id]
				v.undone[id]++
			} else {
				v.taken[id]++
			}
			if f == nil {
				t.Fatalf("intervention %d in %q took %q, which nobody said", n+1, key, id)
			}
			v.order[key] = append(v.order[key], intervention{now.at, f})
			before = now
		}
	}
	return v
}

// before applies what has its place before the message at this offset of the input, to the state of its key.
func (v *interventions) before(engine *processors.Engine, key string, s *processors.State, offset int64) {
	if v == nil {
		return
	}
	for len(v.order[key]) > 0 && v.order[key][0].after < offset {
		f := v.order[key][0].feedback
		if v.order[key] = v.order[key][1:]; !engine.Instruct(s, f) {
			v.t.Errorf("%s %s of %q was taken and changes nothing", f.Action, f.ID, key)
		}
	}
}

// compare counts the keys whose newest snapshot has other bytes than the state they should be in.
func (v *interventions) compare(engine *processors.Engine, states map[string]*processors.State) (differing int) {
	for key, s := range states {
		v.before(engine, key, s, 1<<62)
		if h := v.log.keys[key]; h == nil || !bytes.Equal(h.payload, engine.AppendState(nil, s)) {
			differing++
		}
	}
	for key := range v.log.keys {
		if states[key] == nil {
			differing++
		}
	}
	return differing
}

// missing returns why not everything that was said is applied as it should be, nil where it is. late are verdicts and withdrawals
// that may have come after they had ended.
func (v *interventions) missing(said []*streams.Feedback, late map[string]bool) error {
	withdrawn := map[string]bool{}
	for _, f := range said {
		if f.Action == streams.ActionWithdraw {
			withdrawn[f.Withdraw] = true
		}
	}
	for _, f := range said {
		h := v.log.keys[streams.DetectorKey(f.Stream, f.Entity)]
		known := h != nil
		switch taken, undone := v.taken[f.ID], v.undone[f.ID]; {
		case f.Action != streams.ActionVerdict:
		case taken > 1 || undone > 1:
			return fmt.Errorf("verdict %s was taken %d times and withdrawn %d times", f.ID, taken, undone)
		case !known && taken+undone > 0:
			return fmt.Errorf("verdict %s is about a key that nobody has seen, and was taken", f.ID)
		case !known || late[f.ID]:
		case withdrawn[f.ID] && undone == 0:
			return fmt.Errorf("verdict %s of %s was not withdrawn; its detector has %s", f.ID, f.Entity, h)
		case !withdrawn[f.ID] && taken == 0:
			return fmt.Errorf("verdict %s of %s was not taken; its detector has %s", f.ID, f.Entity, h)
		}
	}
	return nil
}
