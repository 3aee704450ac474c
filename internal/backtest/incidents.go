package backtest

import (
	"math"

	"anomalystream/internal/evaluate"
	"anomalystream/processors/incidents"
	"anomalystream/streams"
)

// IncidentResult is what people would have been told. An incident counts once: as part of its group where it has one. There are
// no ticks in a file, so an incident of its last minutes does not end, and nobody falls silent.
type IncidentResult struct {
	Incidents     int64           `json:"incidents"`
	Notifications int64           `json:"notifications"` // Openings and recoveries of those that are not suppressed.
	Judged        int64           `json:"judged"`        // Where there are labels: incidents in the judged rows.
	False         int64           `json:"false"`         // Those of them without an anomaly in a labelled event.
	Events        int             `json:"events"`        // Labelled events.
	Found         int             `json:"found"`         // Those with an anomaly of an incident.
	FalsePerDay   evaluate.Figure `json:"false_per_day"` // Where the time between rows is known.
	Recall        evaluate.Figure `json:"recall"`
	days          float64
}

var unknown = evaluate.Figure(math.NaN())

// incidentLog is what the incidents of a source follow from, in the order of its events.
type incidentLog struct {
	signals []incidents.Signal
	rows    []int // Of the anomalies among the signals; -1 for a rollup.
}

// record adds what an event came to.
func (l *incidentLog) record(row int, o outcome) {
	for _, r := range o.closed {
		// The features' ranges make no incident, and there are many.
		l.add(incidents.Signal{Rollup: &streams.Rollup{Stream: r.Stream, Entity: r.Entity, Minute: r.Minute, Events: r.Events, Anomalies: r.Anomalies, Closed: true}}, -1)
	}
	if o.anomaly != nil {
		l.add(incidents.Signal{Anomaly: o.anomaly}, row)
	}
}

func (l *incidentLog) add(s incidents.Signal, row int) {
	l.signals, l.rows = append(l.signals, s), append(l.rows, row)
}

// run makes the incidents: the newest revision of each, in the order they opened.
func (l *incidentLog) run(d *streams.Definition) ([]*streams.Incident, error) {
	engine, err := incidents.New(d)
	if err != nil {
		return nil, err
	}
	state := incidents.NewState()
	var order []*streams.Incident
	byID := map[string]*streams.Incident{}
	for _, s := range l.signals {
		for _, i := range engine.Step(state, s) {
			if known := byID[i.ID]; known != nil {
				*known = i
				continue
			}
			byID[i.ID] = &i
			order = append(order, &i)
		}
	}
	return order, nil
}

// measureIncidents counts the incidents and compares them with the labels; stream is nil where there are none.
func measureIncidents(d *streams.Definition, l *incidentLog, stream *evaluate.Stream) (*IncidentResult, error) {
	list, err := l.run(d)
	if err != nil {
		return nil, err
	}
	out := &IncidentResult{FalsePerDay: unknown, Recall: unknown}
	top := map[string]string{} // The incident or group that tells of an incident.
	for _, i := range list {
		top[i.ID] = i.ID
		if i.Group != "" {
			top[i.ID] = i.Group
			continue
		}
		out.Incidents++
		if i.Suppressed == "" {
			out.Notifications++
			if i.End != nil {
				out.Notifications++
			}
		}
	}
	if stream != nil {
		out.judge(l, list, top, stream)
	}
	return out, nil
}

// judge compares incidents with labelled rows.
func (r *IncidentResult) judge(l *incidentLog, list []*streams.Incident, top map[string]string, s *evaluate.Stream) {
	found := make([]bool, len(s.Segments))
	judged, right := map[string]bool{}, map[string]bool{}
	byEntity := map[string][]*streams.Incident{}
	for _, i := range list {
		byEntity[i.Entity] = append(byEntity[i.Entity], i)
	}
	for n, signal := range l.signals {
		row := l.rows[n]
		if row < s.From {
			continue
		}
		id := incidentOf(signal.Anomaly, byEntity[signal.Anomaly.Entity])
		if id == "" {
			continue
		}
		judged[top[id]] = true
		for k, seg := range s.Segments {
			if seg.Start <= row && row <= seg.End {
				found[k], right[top[id]] = true, true
			}
		}
	}
	r.Judged, r.False = int64(len(judged)), int64(len(judged)-len(right))
	for k, seg := range s.Segments {
		if seg.End < s.From {
			continue
		}
		r.Events++
		if found[k] {
			r.Found++
		}
	}
	r.days = float64(s.Rows()-s.From) * s.Sampling / 86400
	r.finish()
}

func (r *IncidentResult) finish() {
	r.Recall, r.FalsePerDay = unknown, unknown
	if r.Events > 0 {
		r.Recall = evaluate.Figure(float64(r.Found) / float64(r.Events))
	}
	if r.days > 0 {
		r.FalsePerDay = evaluate.Figure(float64(r.False) / r.days)
	}
}

// incidentOf is the id of the incident that an anomaly is part of, "" for none.
func incidentOf(a *streams.Anomaly, list []*streams.Incident) string {
	for _, i := range list {
		if i.Kind != streams.KindGroup && !a.Timestamp.Before(i.Start) && !a.Timestamp.After(i.Latest) {
			return i.ID
		}
	}
	return ""
}

// plus adds up the incidents of several sources.
func (r *IncidentResult) plus(o *IncidentResult) {
	r.Incidents, r.Notifications = r.Incidents+o.Incidents, r.Notifications+o.Notifications
	r.Judged, r.False = r.Judged+o.Judged, r.False+o.False
	r.Events, r.Found, r.days = r.Events+o.Events, r.Found+o.Found, r.days+o.days
	r.finish()
}
