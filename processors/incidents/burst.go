package incidents

import (
	"cmp"
	"slices"
	"time"

	"anomalystream/streams"
)

const (
	flappingQuiet = 4           // So many times as long a flapping key must be quiet.
	worse         = 2.0         // An incident worsens when its severity, or a group's size, grows by this factor.
	pace          = time.Minute // Of event time between two revisions that only count more of the same.
	maxFeatures   = 20          // Features of an incident that are told.
)

// anomaly takes an anomaly in.
func (t *turn) anomaly(a *streams.Anomaly) {
	k := t.key(a.Entity)
	if k.repeated(a) {
		return
	}
	k.Seen++
	t.back(k, k.Heard)
	t.burst(k, a)
	if a.Timestamp.After(k.Latest) {
		k.Latest = a.Timestamp
	}
	if a.Timestamp.After(k.Next) {
		k.Next = a.Timestamp.UTC()
	}
	k.advance(t.Passed)
	t.settle(k)
}

// repeated reports whether the anomaly was seen before, and notes it. The detector of a key writes its anomalies in the order of
// their source, so that one at or before the last one seen is a repetition, unless it is of a later time than all of
// them: then the source has been made anew.
func (k *key) repeated(a *streams.Anomaly) bool {
	for i := range k.Marks {
		if m := &k.Marks[i]; m.Partition == a.Source.Partition {
			if a.Source.Offset <= m.Offset && !a.Timestamp.After(k.Latest) {
				return true
			}
			m.Offset = a.Source.Offset
			return false
		}
	}
	k.Marks = append(k.Marks, mark{a.Source.Partition, a.Source.Offset})
	return false
}

// burst makes an anomaly part of the key's incident, or of what may become one.
func (t *turn) burst(k *key, a *streams.Anomaly) {
	if b := k.Burst; b != nil {
		quiet := t.quiet(k, b)
		switch {
		case a.Timestamp.Sub(b.Incident.Latest) >= quiet:
			t.end(k, b, b.Incident.Latest.Add(quiet), streams.ChangeRecovered)
		case a.Timestamp.Sub(b.Incident.Start) >= t.policy.MaxLength:
			t.end(k, b, b.Incident.Latest, streams.ChangeOutlasted) // What follows is an incident of its own.
		default:
			t.extend(b, a)
			return
		}
	}
	if k.At.Sub(a.Timestamp) >= max(t.policy.Quiet, streams.QuietEvents*k.typical()) {
		return // Too late: what it could have been part of has ended.
	}
	if t.pend(k, a); t.opens(k, a) {
		t.open(k)
	}
}

// quiet is how long a key must be quiet for its burst to end.
func (t *turn) quiet(k *key, b *burst) time.Duration {
	quiet := max(t.policy.Quiet, streams.QuietEvents*k.typical())
	if b.Incident.Flapping {
		quiet *= flappingQuiet
	}
	return quiet
}

// open makes an incident of the pending anomalies.
func (t *turn) open(k *key) {
	first := k.Pending[0]
	b := &burst{Shares: map[string]float64{}, Incident: streams.Incident{
		ID: first.ID, Stream: t.stream, Entity: k.Entity, Kind: k.Pending[len(k.Pending)-1].Kind, Status: streams.StatusOpen,
		Start: first.Timestamp.UTC(), Latest: first.Timestamp.UTC(), Replay: true, Suppressed: first.Suppressed,
	}}
	for _, a := range k.Pending {
		b.add(a)
	}
	k.Pending, b.Opened = nil, b.Incident.Latest
	k.Openings = slices.DeleteFunc(append(k.Openings, b.Incident.Start), func(at time.Time) bool {
		return b.Incident.Start.Sub(at) >= t.policy.FlapSpan
	})
	k.Openings = k.Openings[max(len(k.Openings)-t.policy.FlapAfter, 0):]
	b.Incident.Flapping = len(k.Openings) >= t.policy.FlapAfter
	k.Burst = b
	t.begin(b)
}

// add counts an anomaly in.
func (b *burst) add(a *streams.Anomaly) {
	i := &b.Incident
	i.Anomalies++
	i.PeakScore, i.PeakSeverity = max(i.PeakScore, a.Score), max(i.PeakSeverity, a.Severity)
	i.PeakAlert = max(i.PeakAlert, a.AlertScore)
	if worst(i.Peak, a) {
		i.Peak = a
	}
	if a.Timestamp.Before(i.Start) {
		i.Start = a.Timestamp.UTC()
	}
	if a.Timestamp.After(i.Latest) {
		i.Latest = a.Timestamp.UTC()
	}
	i.Replay = i.Replay && a.Replay
	if a.Suppressed == "" {
		i.Suppressed = ""
	}
	for _, c := range a.Why.Contributions {
		b.Shares[c.Feature] += min(max(c.Share, 0), 1)
	}
}

// worst reports whether anomaly a shows better than the peak so far what is wrong: what breaks a rule or is stuck goes before what the
// models find, then what is more severe. Neither is misled by the return to normal, which may be as rare as the trouble was.
func worst(peak, a *streams.Anomaly) bool {
	if peak == nil || a == nil {
		return a != nil
	}
	if known := a.Kind != streams.KindModel; known != (peak.Kind != streams.KindModel) {
		return known
	}
	return cmp.Or(cmp.Compare(a.Severity, peak.Severity), cmp.Compare(a.AlertScore, peak.AlertScore)) > 0
}

// extend adds an anomaly to an incident, and to the group it is part of.
func (t *turn) extend(b *burst, a *streams.Anomaly) {
	for _, b := range []*burst{b, t.group(b.Incident.Group)} {
		if b == nil {
			continue
		}
		quiet := b.Incident.Replay || b.Incident.Suppressed != ""
		b.add(a)
		i := &b.Incident
		switch {
		case quiet && !i.Replay && i.Suppressed == "", i.PeakSeverity >= max(float64(worse*b.ToldSeverity), b.ToldSeverity+1):
			t.tell(b, streams.ChangeWorsened) // Nobody was told of what was replayed or suppressed.
		case i.Anomalies >= 2*b.ToldCount, i.Latest.Sub(b.ToldLatest) >= pace:
			t.tell(b, streams.ChangeExtended)
		}
	}
}

// tell adds the next revision of an incident to what is told.
func (t *turn) tell(b *burst, change string) {
	i := &b.Incident
	i.Revision++
	i.Change = change
	if b.Shares != nil {
		i.Features = b.features()
	}
	if i.Kind == streams.KindGroup {
		t.members(b)
	}
	if i.Open() || i.Ends() {
		i.Sentence = sentence(i) // What is said about it after its end does not change how it ended.
	}
	b.ToldCount, b.ToldLatest = i.Anomalies, i.Latest
	if change == streams.ChangeOpened || change == streams.ChangeWorsened {
		b.ToldSeverity, b.ToldMembers = i.PeakSeverity, i.MemberCount
	}
	told := *i
	told.Acts = slices.Clone(i.Acts)
	t.told = append(t.told, told)
}

// features returns the features by their share in the incident.
func (b *burst) features() []streams.IncidentFeature {
	out := make([]streams.IncidentFeature, 0, len(b.Shares))
	for name, share := range b.Shares {
		out = append(out, streams.IncidentFeature{Feature: name, Share: share})
	}
	slices.SortFunc(out, func(a, b streams.IncidentFeature) int {
		return cmp.Or(cmp.Compare(b.Share, a.Share), cmp.Compare(a.Feature, b.Feature))
	})
	out = out[:min(len(out), maxFeatures)]
	sum := 0.0
	for _, f := range out {
		sum += f.Share
	}
	for j := range out {
		if sum > 0 {
			out[j].Share /= sum
		}
	}
	return out
}

// end ends an incident of a key, nil for that of the whole stream or a group. change says why.
func (t *turn) end(k *key, b *burst, at time.Time, change string) {
	at = at.UTC()
	if at.Before(b.Incident.Start) {
		at = b.Incident.Start
	}
	b.Incident.Status, b.Incident.End = streams.StatusRecovered, &at
	if change == streams.ChangeResolved {
		b.Incident.Status = streams.StatusResolved
	}
	switch {
	case k != nil && k.Burst == b:
		k.Burst = nil
	case k != nil:
		k.Silent = nil
	case t.Silent == b:
		t.Silent = nil
	default:
		t.Groups = slices.DeleteFunc(t.Groups, func(g *burst) bool { return g == b })
	}
	t.tell(b, change)
	b.Shares = nil // Whoever comments on it later changes nothing of this.
	t.close(b)
	t.left(b)
}
