package incidents

import (
	"slices"

	"anomalystream/streams"
)

// feedback applies what somebody said about an incident. What is said about an incident that the topic does not have any more, or
// about a single anomaly, changes no incident.
func (t *turn) feedback(f *streams.Feedback) {
	t.note(f)
	if slices.Contains(t.Feedback, f.ID) {
		return
	}
	k, b := t.find(f.Incident)
	if b == nil {
		b = t.revive(f)
	}
	if b == nil {
		return
	}
	t.Feedback = append(t.Feedback, f.ID)
	t.Feedback = t.Feedback[max(len(t.Feedback)-maxFeedback, 0):]
	i := &b.Incident
	i.Acts = append(i.Acts, streams.IncidentAct{At: f.At.UTC(), Who: f.Who, Action: f.Action, Verdict: f.Verdict, Comment: f.Comment})
	i.Acts = i.Acts[max(len(i.Acts)-streams.MaxActs, 0):]
	switch f.Action {
	case streams.ActionAcknowledge:
		if i.Status == streams.StatusOpen {
			i.Status = streams.StatusAcknowledged
		}
		t.tell(b, streams.ChangeAcknowledged)
	case streams.ActionResolve:
		if !i.Open() {
			t.tell(b, streams.ChangeCommented)
			return
		}
		at := i.Latest
		if k != nil && k.now(t.Passed).After(at) {
			at = k.now(t.Passed)
		}
		t.end(k, b, at, streams.ChangeResolved)
	case streams.ActionVerdict:
		b.Verdicts = append(b.Verdicts, verdict{f.ID, f.Verdict})
		b.Verdicts = b.Verdicts[max(len(b.Verdicts)-streams.MaxActs, 0):]
		i.Verdict = f.Verdict
		t.tell(b, streams.ChangeJudged)
	case streams.ActionWithdraw:
		b.Verdicts = slices.DeleteFunc(b.Verdicts, func(v verdict) bool { return v.ID == f.Withdraw })
		i.Verdict = ""
		if n := len(b.Verdicts); n > 0 {
			i.Verdict = b.Verdicts[n-1].Verdict
		}
		t.tell(b, streams.ChangeJudged)
	default:
		t.tell(b, streams.ChangeCommented)
	}
}

// find returns the incident of an id and its key, if it has one and lasts.
func (t *turn) find(id string) (owner *key, found *burst) {
	t.each(func(k *key, b *burst) {
		if b.Incident.ID == id {
			owner, found = k, b
		}
	})
	for _, b := range slices.Backward(t.Closed) {
		if found == nil && b.Incident.ID == id {
			found = b
		}
	}
	return owner, found
}
