//go:build browser

package browsertest

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"anomalystream/streams"
)

// fault is trouble that somebody has caused: while it lasts, every tick brings an anomaly of these entities.
type fault struct {
	stream   string
	entities []string
}

// pastFaults are those of the half hour before the world starts.
var pastFaults = []struct {
	fault
	from, to time.Duration // Before the start.
}{
	{fault{"server_metrics", []string{"db-1"}}, 26 * time.Minute, 19 * time.Minute},
	{fault{"server_metrics", []string{"web-1", "web-2", "web-3"}}, 14 * time.Minute, 9 * time.Minute},
	{fault{hostile, []string{hostile}}, 21 * time.Minute, 20 * time.Minute},
	{fault{"transactions", []string{"card-00000"}}, 24 * time.Minute, 23 * time.Minute},
	{fault{"transactions", []string{"card-00000"}}, 7 * time.Minute, 4 * time.Minute},
}

// presentFault is the one that a test starts and ends.
var presentFault = fault{"server_metrics", []string{"web-2"}}

// begin starts a fault; more than two entities make a group.
func (w *world) begin(f fault, at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, entity := range f.entities {
		w.faulty[streams.DetectorKey(f.stream, entity)] = true
	}
	if len(f.entities) < 3 {
		return
	}
	group := &streams.StoredIncident{Incident: streams.Incident{
		ID: fmt.Sprintf("%s-group-%d", f.stream, at.Unix()), Change: streams.ChangeOpened, Stream: f.stream, Kind: streams.KindGroup,
		Status: streams.StatusOpen, Start: at, Latest: at, EntityCount: len(w.source(f.stream).entities),
	}}
	w.groups[f.stream] = group
	w.incidents = append(w.incidents, group)
}

// end lets a fault go: its incidents recover.
func (w *world) end(f fault, at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, entity := range f.entities {
		key := streams.DetectorKey(f.stream, entity)
		delete(w.faulty, key)
		if i := w.lasting[key]; i != nil {
			w.recover(i, at)
			delete(w.lasting, key)
		}
	}
	if group := w.groups[f.stream]; group != nil {
		for i := range group.Members {
			group.Members[i].Open = false
		}
		w.recover(group, at)
		delete(w.groups, f.stream)
	}
}

func (w *world) source(stream string) *source {
	return &w.sources[slices.IndexFunc(w.sources, func(s source) bool { return s.definition.Name == stream })]
}

func (w *world) recover(i *streams.StoredIncident, at time.Time) {
	if i.Open() {
		i.Status, i.End = streams.StatusRecovered, &at
		w.revise(i, streams.ChangeRecovered, at)
	}
}

// trouble takes an anomaly of a fault into the incident of its key, and into that of the group.
func (w *world) trouble(a *streams.Anomaly) {
	key := streams.DetectorKey(a.Stream, a.Entity)
	i, change := w.lasting[key], streams.ChangeExtended
	if i == nil {
		i = &streams.StoredIncident{Incident: streams.Incident{
			ID: a.ID, Stream: a.Stream, Entity: a.Entity, Kind: a.Kind, Status: streams.StatusOpen, Start: a.Timestamp,
		}}
		w.lasting[key], change = i, streams.ChangeOpened
		w.incidents = append(w.incidents, i)
	}
	if i.Status == streams.StatusResolved {
		return
	}
	take(&i.Incident, a)
	i.Sentence = fmt.Sprintf("%s of %s is far from usual: %s", i.Features[0].Feature, cmp.Or(a.Entity, "the stream"), a.Why.Sentence)
	if group := w.groups[a.Stream]; group != nil {
		i.Group = group.ID
		w.member(group, i)
		take(&group.Incident, a)
		group.Sentence = fmt.Sprintf("%d of %d entities at once, %s first.", group.MemberCount, group.EntityCount, group.Features[0].Feature)
		w.revise(group, streams.ChangeExtended, a.Timestamp)
	}
	w.revise(i, change, a.Timestamp)
}

// take adds an anomaly to an incident.
func take(i *streams.Incident, a *streams.Anomaly) {
	i.Latest, i.Anomalies = a.Timestamp, i.Anomalies+1
	if a.AlertScore > i.PeakAlert {
		i.Peak = a
	}
	i.PeakScore, i.PeakSeverity, i.PeakAlert = max(i.PeakScore, a.Score), max(i.PeakSeverity, a.Severity), max(i.PeakAlert, a.AlertScore)
	features := []streams.IncidentFeature{}
	for _, c := range i.Peak.Why.Contributions {
		features = append(features, streams.IncidentFeature{Feature: c.Feature, Share: c.Share})
	}
	i.Features = features
}

func (w *world) member(group, i *streams.StoredIncident) {
	at := slices.IndexFunc(group.Members, func(m streams.IncidentMember) bool { return m.Incident == i.ID })
	members := slices.Clone(group.Members) // What was delivered must not change.
	if at < 0 {
		at, members = len(members), append(members, streams.IncidentMember{Entity: i.Entity, Incident: i.ID, Open: true})
	}
	members[at].Anomalies, members[at].PeakAlert = i.Anomalies, i.PeakAlert
	group.Members, group.MemberCount = members, len(members)
}

// silence lets a stream fall silent for good.
func (w *world) silence(stream string, since time.Time) {
	i := &streams.StoredIncident{Incident: streams.Incident{
		ID: stream + "-silent", Stream: stream, Kind: streams.KindSilent, Status: streams.StatusOpen, Start: since, Latest: since, Interval: 1,
		Sentence: "No event of the stream since " + since.Format("15:04:05") + ": one is due every second.",
	}}
	w.incidents = append(w.incidents, i)
	w.revise(i, streams.ChangeOpened, since.Add(10*time.Second))
}

// silences lets three entities of a stream fall silent for good.
func (w *world) silences(stream string, since time.Time) {
	i := &streams.StoredIncident{Incident: streams.Incident{
		ID: stream + "-silent-group", Stream: stream, Kind: streams.KindGroup, Status: streams.StatusOpen, Start: since, Latest: since, Interval: 1,
		EntityCount: len(w.source(stream).entities), MemberCount: 3, Sentence: "3 entities have fallen silent.",
	}}
	for _, entity := range []string{"gone-1", "gone-2", "gone-3"} {
		i.Members = append(i.Members, streams.IncidentMember{Entity: entity, Incident: stream + "-silent-" + entity, Open: true})
	}
	w.incidents = append(w.incidents, i)
	w.revise(i, streams.ChangeOpened, since.Add(10*time.Second))
}

// storm opens an incident of every card at once.
func (w *world) storm() {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now().UTC()
	for k, card := range w.source("transactions").entities {
		i := &streams.StoredIncident{Incident: streams.Incident{
			ID: fmt.Sprintf("transactions-storm-%d", k), Stream: "transactions", Entity: card, Kind: streams.KindModel,
			Status: streams.StatusOpen, Start: now, Latest: now, Anomalies: 1, PeakScore: 0.7, PeakSeverity: 4, Sentence: "amount is far from usual.",
		}}
		w.incidents = append(w.incidents, i)
		w.revise(i, streams.ChangeOpened, now)
	}
}

// revise writes an incident's next revision.
func (w *world) revise(i *streams.StoredIncident, change string, at time.Time) {
	if i.Revision == 0 {
		i.OpenedAt, i.CreatedAt = at, at
	}
	i.Revision, i.Change, i.UpdatedAt = i.Revision+1, change, at
	if !i.Open() && i.EndedAt == nil {
		i.EndedAt = &at
	}
	i.Features, i.Members, i.Acts = list(i.Features), list(i.Members), list(i.Acts)
	w.written++
	if w.server == nil {
		return
	}
	if err := w.server.DeliverIncident(i.Incident, 0, w.written, at); err != nil {
		panic(err) // Every incident of the world encodes.
	}
}

// say does what a person's feedback does to an incident and to the verdicts.
func (w *world) say(f streams.Feedback) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if f.Action == streams.ActionVerdict {
		w.verdicts = append(w.verdicts, streams.StoredVerdict{Feedback: f, State: streams.VerdictInForce})
	}
	id := f.Incident
	for n := range w.verdicts {
		if v := &w.verdicts[n]; f.Action == streams.ActionWithdraw && (v.ID == f.Withdraw || v.PartOf == f.Withdraw) {
			v.State, v.WithdrawnBy, v.WithdrawnAt = streams.VerdictWithdrawn, f.Who, &f.At
			id = cmp.Or(id, v.Incident)
		}
	}
	i := w.incident(id)
	if i == nil || f.PartOf != "" {
		return
	}
	i.Acts = append(slices.Clone(i.Acts), streams.IncidentAct{At: f.At, Who: f.Who, Action: f.Action, Verdict: f.Verdict, Comment: f.Comment})
	switch f.Action {
	case streams.ActionAcknowledge:
		i.Status, i.AcknowledgedAt = streams.StatusAcknowledged, &f.At
		w.revise(i, streams.ChangeAcknowledged, f.At)
	case streams.ActionResolve:
		i.Status, i.End = streams.StatusResolved, &f.At
		w.revise(i, streams.ChangeResolved, f.At)
	case streams.ActionComment:
		w.revise(i, streams.ChangeCommented, f.At)
	default:
		i.Verdict = f.Verdict // "" when it is withdrawn.
		w.revise(i, streams.ChangeJudged, f.At)
	}
}

func (w *world) incident(id string) *streams.StoredIncident {
	for _, i := range w.incidents {
		if i.ID == id {
			return i
		}
	}
	return nil
}

// list returns the list, empty rather than nil: JSON must not say null.
func list[T any](of []T) []T {
	if of == nil {
		return []T{}
	}
	return of
}
