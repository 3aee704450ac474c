package incidents

import (
	"slices"
	"time"

	"anomalystream/streams"
)

// Bounds of what the compacted topics hold of a stream, beside incidents that last; what came first goes first.
const (
	maxKept = 10_000 // Incidents that have ended.
	maxSaid = 10_000 // Feedback.
)

// kept is an incident that has ended and whose record is in the topic.
type kept struct {
	ID       string        `json:"id"`
	Since    time.Duration `json:"since"`              // State.Passed when it ended.
	Revision int64         `json:"revision,omitempty"` // The newest, once the rest of it is given up; 0 while it stands in State.Closed.
	Verdicts []verdict     `json:"verdicts,omitempty"` // The same.
}

// said is feedback whose record is in the topic.
type said struct {
	Key   string        `json:"key"`
	Since time.Duration `json:"since"` // State.Passed when it came.
	Until time.Time     `json:"until"` // Event time up to which detectors need it; zero for what no detector obeys.
}

// Expired are the keys of records that the topics need no more.
type Expired struct {
	Incidents []string
	Feedback  []string
}

// Expire gives up what has stayed for longer than the policy's retention, of time that ticks say has passed, and what is beyond the
// bounds, and returns it once. Verdicts stay until they have ended as well. It belongs after each tick and is deterministic,
// as Step is.
func (e *Engine) Expire(s *State) (out Expired) {
	old := func(since time.Duration) bool { return s.Passed-since >= e.policy.Retention }
	for len(s.Kept) > 0 && (old(s.Kept[0].Since) || len(s.Kept) > maxKept) {
		id := s.Kept[0].ID
		s.Kept = slices.Delete(s.Kept, 0, 1)
		s.Closed = slices.DeleteFunc(s.Closed, func(b *burst) bool { return b.Incident.ID == id })
		out.Incidents = append(out.Incidents, id)
	}
	excess := len(s.Said) - maxSaid
	s.Said = slices.DeleteFunc(s.Said, func(f said) bool {
		gone := excess > 0 || old(f.Since) && !f.Until.After(s.Newest)
		if gone {
			excess--
			out.Feedback = append(out.Feedback, f.Key)
		}
		return gone
	})
	return out
}

// close remembers an incident that has ended. Of those before, only the latest are remembered whole.
func (t *turn) close(b *burst) {
	t.Kept = append(t.Kept, kept{ID: b.Incident.ID, Since: t.Passed})
	t.recall(b)
}

// recall adds an incident to those that are remembered whole. The topic has the record of the one that goes for it.
func (t *turn) recall(b *burst) {
	t.Closed = append(t.Closed, b)
	if len(t.Closed) <= maxClosed {
		return
	}
	oldest := t.Closed[0]
	t.Closed = slices.Delete(t.Closed, 0, 1)
	if k := t.kept(oldest.Incident.ID); k != nil {
		k.Revision, k.Verdicts = oldest.Incident.Revision, oldest.Verdicts
	}
}

// kept returns what is known of an incident that has ended, nil where the topic does not have it any more.
func (t *turn) kept(id string) *kept {
	if i := slices.IndexFunc(t.Kept, func(k kept) bool { return k.ID == id }); i >= 0 {
		return &t.Kept[i]
	}
	return nil
}

// revive makes the state of an incident of what the feedback about it carries, where only its revision is remembered. It returns
// nil where the topic does not have the incident any more.
func (t *turn) revive(f *streams.Feedback) *burst {
	k := t.kept(f.Incident)
	if k == nil || k.Revision == 0 || f.About == nil || f.About.ID != k.ID || f.About.Stream != t.stream || f.About.End == nil {
		return nil
	}
	b := &burst{Incident: *f.About, Members: f.About.Members, Verdicts: k.Verdicts}
	b.Incident.Revision, b.Incident.Acts = k.Revision, slices.Clone(f.About.Acts)
	k.Revision, k.Verdicts = 0, nil
	t.recall(b)
	return b
}

// note remembers feedback, of which the topic has a record now.
func (t *turn) note(f *streams.Feedback) {
	key := f.Key()
	if slices.ContainsFunc(t.Said, func(o said) bool { return o.Key == key }) {
		return
	}
	s := said{Key: key, Since: t.Passed}
	if f.Action == streams.ActionVerdict || f.Action == streams.ActionWithdraw {
		s.Until = f.Until.UTC()
	}
	t.Said = append(t.Said, s)
}
