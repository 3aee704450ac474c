package incidents

import (
	"cmp"
	"slices"
	"time"

	"anomalystream/streams"
)

// lately is how long ago an entity may have been heard of to count as one of the stream's.
const lately = time.Hour

// begin tells of a new incident of a key: alone, as part of a group, or as the one that makes it a group.
func (t *turn) begin(b *burst) {
	for _, g := range slices.Backward(t.Groups) {
		if t.near(b.began(), g.began(), g.Joined) && like(&b.Incident, &g.Incident) {
			t.join(g, b)
			t.tell(b, streams.ChangeOpened)
			switch {
			case float64(len(g.Members)) >= float64(worse*float64(g.ToldMembers)):
				t.tell(g, streams.ChangeWorsened)
			case g.Incident.Latest.Sub(g.ToldLatest) >= pace:
				t.tell(g, streams.ChangeExtended)
			}
			return
		}
	}
	members := t.neighbours(b)
	if len(members) < t.policy.GroupMin {
		t.tell(b, streams.ChangeOpened)
		return
	}
	g := &burst{Shares: map[string]float64{}, Opened: b.began(), Incident: streams.Incident{
		ID: streams.GroupIncidentID(members[0].Incident.ID), Stream: t.stream, Kind: streams.KindGroup, Status: streams.StatusOpen,
		Start: b.Incident.Start, Latest: b.Incident.Latest, Replay: true, Suppressed: b.Incident.Suppressed,
	}}
	t.Groups = append(t.Groups, g)
	for _, m := range members {
		t.join(g, m)
	}
	t.tell(b, streams.ChangeOpened)
	t.tell(g, streams.ChangeOpened)
	for _, m := range members {
		if m != b {
			t.tell(m, streams.ChangeJoined)
		}
	}
}

// began is when an incident began for others of its stream: when it opened. Its first anomaly may be a false one that came minutes
// before, and would keep it out of the group of those whose trouble began when its own did.
func (b *burst) began() time.Time {
	if b.Opened.IsZero() {
		return b.Incident.Start
	}
	return b.Opened
}

// near reports whether an incident that began at a time may be part of a group whose members began from first to latest.
func (t *turn) near(began, first, latest time.Time) bool {
	return began.Sub(latest) < t.policy.GroupSpan && first.Sub(began) < t.policy.GroupSpan && began.Sub(first) < t.policy.MaxLength
}

// like reports whether two incidents notify alike: what is replayed or suppressed makes no group with what is not.
func like(a, b *streams.Incident) bool {
	return a.Replay == b.Replay && (a.Suppressed == "") == (b.Suppressed == "")
}

// neighbours returns the incidents that would make a group with b, itself included, in order of their start: one of each
// entity.
func (t *turn) neighbours(b *burst) []*burst {
	out := []*burst{b}
	for _, k := range t.Keys {
		if k.Entity == b.Incident.Entity {
			continue
		}
		for _, o := range []*burst{k.Burst, k.Silent} {
			if o != nil && o.Incident.Group == "" && o.began().Sub(b.began()).Abs() < t.policy.GroupSpan && like(&o.Incident, &b.Incident) {
				out = append(out, o)
				break
			}
		}
	}
	slices.SortStableFunc(out, func(a, b *burst) int {
		return cmp.Or(a.Incident.Start.Compare(b.Incident.Start), cmp.Compare(a.Incident.ID, b.Incident.ID))
	})
	return out
}

// join makes an incident part of a group.
func (t *turn) join(g, b *burst) {
	i, m := &g.Incident, &b.Incident
	m.Group = i.ID
	i.Anomalies += m.Anomalies
	i.PeakScore, i.PeakSeverity = max(i.PeakScore, m.PeakScore), max(i.PeakSeverity, m.PeakSeverity)
	i.Interval = max(i.Interval, m.Interval)
	i.PeakAlert = max(i.PeakAlert, m.PeakAlert)
	if worst(i.Peak, m.Peak) {
		i.Peak = m.Peak
	}
	if m.Start.Before(i.Start) {
		i.Start = m.Start
	}
	if m.Latest.After(i.Latest) {
		i.Latest = m.Latest
	}
	if began := b.began(); began.Before(g.Opened) {
		g.Opened = began
	}
	if began := b.began(); began.After(g.Joined) {
		g.Joined = began
	}
	i.Replay = i.Replay && m.Replay
	if m.Suppressed == "" {
		i.Suppressed = ""
	}
	for _, f := range b.features() {
		g.Shares[f.Feature] += b.Shares[f.Feature]
	}
	entry := streams.IncidentMember{Entity: m.Entity, Incident: m.ID, Anomalies: m.Anomalies, PeakAlert: m.PeakAlert, Open: true}
	if at := slices.IndexFunc(g.Members, func(o streams.IncidentMember) bool { return o.Entity == m.Entity }); at >= 0 {
		g.Members[at] = entry
		return
	}
	g.Members = append(g.Members, entry)
}

// group returns the group of an id, nil where none lasts.
func (t *turn) group(id string) *burst {
	if id == "" {
		return nil
	}
	for _, g := range t.Groups {
		if g.Incident.ID == id {
			return g
		}
	}
	return nil
}

// left notes in its group that an incident has ended. The group ends with its last member.
func (t *turn) left(b *burst) {
	g := t.group(b.Incident.Group)
	if g == nil {
		return
	}
	if b.Incident.End.After(g.Ended) {
		g.Ended = *b.Incident.End
	}
	lasts := false
	for j := range g.Members {
		if m := &g.Members[j]; m.Incident == b.Incident.ID {
			m.Anomalies, m.PeakAlert, m.Open = b.Incident.Anomalies, b.Incident.PeakAlert, false
		}
		lasts = lasts || g.Members[j].Open
	}
	if !lasts {
		change := streams.ChangeRecovered
		if b.Incident.Change == streams.ChangeOutlasted {
			change = streams.ChangeOutlasted
		}
		t.end(nil, g, g.Ended, change)
	}
}

// outdated reports whether a group was last told with fewer members than it has, or with some going on that have ended since.
// Members mostly begin and end together, so each tick tells of all that did, and not each of them.
func (b *burst) outdated() bool {
	if len(b.Members) > b.Incident.MemberCount {
		return true
	}
	lasting := make(map[string]bool, streams.MaxMembers)
	for i := range b.Incident.Members {
		if m := &b.Incident.Members[i]; m.Open {
			lasting[m.Incident] = true
		}
	}
	return slices.ContainsFunc(b.Members, func(m streams.IncidentMember) bool { return !m.Open && lasting[m.Incident] })
}

// members brings what a group tells of its members up to date.
func (t *turn) members(g *burst) {
	for j := range g.Members {
		m := &g.Members[j]
		if k := t.byEntity[m.Entity]; m.Open && k != nil && k.Burst != nil && k.Burst.Incident.ID == m.Incident {
			m.Anomalies, m.PeakAlert = k.Burst.Incident.Anomalies, k.Burst.Incident.PeakAlert
		}
	}
	members := slices.Clone(g.Members)
	slices.SortFunc(members, func(a, b streams.IncidentMember) int {
		return cmp.Or(cmp.Compare(b.PeakAlert, a.PeakAlert), cmp.Compare(b.Anomalies, a.Anomalies), cmp.Compare(a.Entity, b.Entity))
	})
	g.Incident.Members, g.Incident.MemberCount = members[:min(len(members), streams.MaxMembers)], len(members)
	if g.Incident.End != nil {
		return // Who was there meanwhile is what counts.
	}
	g.Incident.EntityCount = 0
	for _, k := range t.Keys {
		if t.Passed-k.Heard <= lately {
			g.Incident.EntityCount++
		}
	}
	g.Incident.EntityCount = max(g.Incident.EntityCount, g.Incident.MemberCount)
}
