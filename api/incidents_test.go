package api

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"anomalystream/streams"
)

// incidentOf makes the first revision of the incident of an anomaly.
func incidentOf(a streams.Anomaly, status string) streams.Incident {
	i := streams.Incident{
		ID: a.ID, Revision: 1, Change: streams.ChangeOpened, Stream: a.Stream, Entity: a.Entity, Kind: a.Kind, Status: status,
		Start: a.Timestamp, Latest: a.Timestamp.Add(time.Minute), Anomalies: 1, PeakScore: a.Score, PeakSeverity: a.Severity, PeakAlert: a.AlertScore,
		Peak: &a, Sentence: "cpu is far above normal",
	}
	if !i.Open() {
		end := i.Latest
		i.End = &end
	}
	return i
}

// filled serves with some incidents: one each of server_metrics open, acknowledged and recovered, one of transactions, and a
// group of two.
func filled(t *testing.T, change func(*Config, *Deps)) *rig {
	t.Helper()
	r := serve(t, change)
	fill(r)
	return r
}

func fill(r *rig) {
	add := func(i streams.Incident) { r.incidents.add(i, t0.Add(time.Hour)) }
	for n, status := range []string{streams.StatusOpen, streams.StatusAcknowledged, streams.StatusRecovered} {
		a := anomaly("server_metrics", fmt.Sprintf("web-%d", n), int64(1000*n), 0.7+float64(n)/10)
		r.history.add(a, t0)
		add(incidentOf(a, status))
	}
	add(incidentOf(anomaly("transactions", "card-1", 7, 0.8), streams.StatusOpen))
	for n := range 2 {
		member := incidentOf(anomaly("server_metrics", fmt.Sprintf("db-%d", n), int64(5000+n), 0.9), streams.StatusOpen)
		member.Group = "group-1"
		add(member)
	}
	peak := anomaly("server_metrics", "db-1", 5001, 0.9)
	add(streams.Incident{
		ID: "group-1", Revision: 3, Change: streams.ChangeExtended, Stream: "server_metrics", Kind: streams.KindGroup, Status: streams.StatusOpen, Peak: &peak,
		Start: peak.Timestamp, Latest: peak.Timestamp.Add(time.Minute), MemberCount: 2, EntityCount: 3, PeakSeverity: 9, Sentence: "2 of 3 hosts, cpu first",
		Members: []streams.IncidentMember{{Entity: "db-1", Incident: "server_metrics-0-5001", Anomalies: 1, Open: true}},
	})
}

func incidentIDs(items []streams.StoredIncident) []string {
	out := make([]string, len(items))
	for i := range items {
		out[i] = items[i].ID
	}
	return out
}

// TestIncidentList filters and pages.
func TestIncidentList(t *testing.T) {
	t.Parallel()
	r := filled(t, nil)
	for query, want := range map[string][]string{
		"":                                 {"server_metrics-0-5001", "group-1", "server_metrics-0-5000", "server_metrics-0-2000", "server_metrics-0-1000", "transactions-0-7", "server_metrics-0-0"},
		"?stream=transactions":             {"transactions-0-7"},
		"?entity=web-1":                    {"server_metrics-0-1000"},
		"?status=acknowledged,recovered":   {"server_metrics-0-2000", "server_metrics-0-1000"},
		"?kind=group":                      {"group-1"},
		"?group=group-1&sort=oldest":       {"server_metrics-0-5000", "server_metrics-0-5001"},
		"?top_level=true&status=open":      {"group-1", "transactions-0-7", "server_metrics-0-0"},
		"?min_severity=9&sort=severity":    {"server_metrics-0-5001", "server_metrics-0-5000", "server_metrics-0-2000", "group-1"},
		"?to=2026-01-02T03:04:06Z":         {"server_metrics-0-0"},
		"?from=2027-01-01T00:00:00Z":       {"server_metrics-0-5001", "group-1", "server_metrics-0-5000", "server_metrics-0-1000", "transactions-0-7", "server_metrics-0-0"},
		"?verdict=noise":                   {},
		"?stream=nothing&group=&entity=":   {},
		"?limit=2&stream=server_metrics":   {"server_metrics-0-5001", "group-1"},
		"?limit=2&cursor=4&min_severity=0": {"server_metrics-0-1000", "transactions-0-7"},
	} {
		var got incidentList
		r.call(200, "GET", "/api/incidents"+query, "").decode(t, &got)
		if ids := incidentIDs(got.Items); !slices.Equal(ids, want) {
			// What begins at the same time comes in any order.
			slices.Sort(ids)
			sorted := slices.Sorted(slices.Values(want))
			if !slices.Equal(ids, sorted) || strings.Contains(query, "sort") {
				t.Errorf("%q: got %v, want %v", query, ids, want)
			}
		}
	}
	for _, query := range []string{
		"?status=closed", "?status=", "?kind=x", "?sort=score", "?min_severity=NaN", "?min_severity=31", "?limit=0", "?limit=1001", "?cursor=x", "?from=x",
		"?from=2026-01-02T03:04:06Z&to=2026-01-02T03:04:06Z", "?top_level=perhaps", "?unknown=1", "?stream=%00", "?verdict=false",
	} {
		r.call(422, "GET", "/api/incidents"+query, "")
	}
	r.incidents.change(func() { r.incidents.err = errStore })
	r.call(503, "GET", "/api/incidents", "")
	r.call(503, "GET", "/api/incidents/x", "")
	r.call(503, "GET", "/api/verdicts", "")
}

// TestIncident reads one, with its anomalies.
func TestIncident(t *testing.T) {
	t.Parallel()
	r := filled(t, nil)
	var got streams.StoredIncident
	r.call(200, "GET", "/api/incidents/group-1", "").decode(t, &got)
	if got.MemberCount != 2 || got.Revision != 3 || got.Peak == nil || got.End != nil {
		t.Errorf("got %+v", got)
	}
	r.call(404, "GET", "/api/incidents/nobody", "")
	r.call(404, "GET", "/api/incidents/nobody/anomalies", "")
	r.call(422, "GET", "/api/incidents/"+strings.Repeat("x", 601), "")
	var list struct {
		Items []streams.StoredAnomaly
		Total *int64
	}
	r.call(200, "GET", "/api/incidents/server_metrics-0-1000/anomalies?sort=oldest", "").decode(t, &list)
	if len(list.Items) != 1 || list.Items[0].ID != "server_metrics-0-1000" || list.Total == nil || *list.Total != 1 {
		t.Errorf("anomalies: %+v", list)
	}
	q := r.history.asked
	if q.Incident != "server_metrics-0-1000" || q.Stream != "server_metrics" || q.Entity != "web-1" || !q.To.After(q.From) {
		t.Errorf("the store was asked for %+v", q)
	}
}

// TestNoIncidents asks a process without incidents and without a feedback topic.
func TestNoIncidents(t *testing.T) {
	t.Parallel()
	r := serve(t, func(_ *Config, d *Deps) { d.Incidents, d.Feedback = nil, nil })
	for _, path := range []string{"/api/incidents", "/api/incidents/x", "/api/incidents/x/anomalies", "/api/verdicts"} {
		r.call(501, "GET", path, "")
	}
	r.call(501, "POST", "/api/incidents/x/acknowledge", "")
	r.call(501, "POST", "/api/anomalies/x/verdict", `{"verdict":"real"}`)
	r.call(501, "DELETE", "/api/verdicts/x", "")
}

// TestActs acknowledges, resolves and comments.
func TestActs(t *testing.T) {
	t.Parallel()
	r := filled(t, nil)
	path := "/api/incidents/server_metrics-0-0/"
	var got given
	r.call(202, "POST", path+"acknowledge", "").decode(t, &got)
	r.call(202, "POST", path+"acknowledge", `{"comment":null}`)
	r.call(202, "POST", path+"comment", `{"comment":"line one\nline two"}`)
	r.call(202, "POST", path+"resolve", `{"comment":"restarted"}`)
	r.call(202, "POST", "/api/incidents/group-1/acknowledge", `{"comment":"mine"}`)
	if len(r.incidents.given) != 5 {
		t.Fatalf("given: %+v", r.incidents.given)
	}
	ack, resolve, group := r.incidents.given[0], r.incidents.given[3], r.incidents.given[4]
	if ack.ID != got.ID || ack.Action != streams.ActionAcknowledge || ack.Incident != "server_metrics-0-0" || ack.Stream != "server_metrics" || ack.Entity != "web-0" ||
		ack.Anomaly != "server_metrics-0-0" || ack.Features["cpu"] != 99.5 || !slices.Equal(ack.Guilty, []string{"cpu"}) || ack.Who != "anonymous" || ack.At.IsZero() ||
		!ack.From.Equal(t0) || !ack.To.Equal(t0.Add(time.Minute)) {
		t.Errorf("acknowledged: %+v", ack)
	}
	if resolve.Action != streams.ActionResolve || resolve.Comment != "restarted" || resolve.ID == ack.ID {
		t.Errorf("resolved: %+v", resolve)
	}
	if group.Entity != "" || group.Anomaly != "" || group.Features != nil || group.Incident != "group-1" {
		t.Errorf("a group: %+v", group)
	}
	if len(r.audits.rows) != 5 || r.audits.rows[1].Action != "incident.resolve" || r.audits.rows[1].Object != "server_metrics-0-0" || r.audits.rows[1].Who != "anonymous" {
		t.Errorf("audit: %+v", r.audits.rows)
	}
	ended := "/api/incidents/server_metrics-0-2000/"
	r.call(409, "POST", ended+"resolve", "")
	r.call(409, "POST", ended+"acknowledge", "")
	r.call(202, "POST", ended+"comment", `{"comment":"it was the backup"}`)
	r.call(404, "POST", "/api/incidents/nobody/acknowledge", "")
	for _, body := range []string{`{}`, `{"comment":""}`, `{"comment":"a\u0000b"}`, `{"comment":7}`, `{"x":1}`, `[]`, `{"comment":"` + strings.Repeat("x", 1001) + `"}`} {
		r.call(422, "POST", path+"comment", body)
	}
	r.incidents.change(func() { r.incidents.giveErr = errors.New("kafka is away") })
	r.call(503, "POST", path+"acknowledge", "")
}

// TestFeedbackRoles lets only those write who may, about what they see.
func TestFeedbackRoles(t *testing.T) {
	t.Parallel()
	for who, want := range map[string]int{"": 401, "wrong": 401, "read": 403, "ingest": 202, "admin": 202, "scoped": 404} {
		r, tokens := guarded(t, nil)
		fill(r)
		r.token = tokens[who]
		r.call(want, "POST", "/api/incidents/server_metrics-0-0/acknowledge", "")
		r.call(want, "POST", "/api/incidents/server_metrics-0-0/comment", `{"comment":"x"}`)
		r.call(want, "POST", "/api/incidents/server_metrics-0-0/verdict", `{"verdict":"real"}`)
		r.call(want, "POST", "/api/anomalies/server_metrics-0-0/verdict", `{"verdict":"real"}`)
		r.call(want, "POST", "/api/incidents/server_metrics-0-0/resolve", "")
		if want != 202 {
			v := r.said(t.Context())
			v.Action, v.Verdict, v.Stream = streams.ActionVerdict, streams.VerdictReal, "server_metrics"
			r.incidents.change(func() { r.incidents.feedback = append(r.incidents.feedback, v) })
			r.call(want, "DELETE", "/api/verdicts/"+v.ID, "")
			if len(r.incidents.given) > 0 {
				t.Errorf("%s gave %+v", who, r.incidents.given)
			}
			continue
		}
		if got := r.incidents.given[0].Who; got != who {
			t.Errorf("%s gave as %q", who, got)
		}
		r.call(202, "DELETE", "/api/verdicts/"+r.incidents.given[2].ID, "")
	}
	r, tokens := guarded(t, nil)
	fill(r)
	r.token = tokens["scoped"]
	var got incidentList
	r.call(200, "GET", "/api/incidents", "").decode(t, &got)
	if ids := incidentIDs(got.Items); !slices.Equal(ids, []string{"transactions-0-7"}) {
		t.Errorf("scoped sees %v", ids)
	}
	r.call(403, "GET", "/api/incidents?stream=server_metrics", "")
	r.call(403, "GET", "/api/verdicts?stream=server_metrics", "")
	r.call(200, "GET", "/api/verdicts", "")
	r.call(404, "GET", "/api/incidents/server_metrics-0-0", "")
	r.call(404, "GET", "/api/incidents/server_metrics-0-0/anomalies", "")
	r.call(202, "POST", "/api/incidents/transactions-0-7/verdict", `{"verdict":"noise"}`)
}

// verdictsOf lists verdicts.
func (r *rig) verdictsOf(query url.Values) []streams.StoredVerdict {
	r.t.Helper()
	var out struct{ Items []streams.StoredVerdict }
	r.call(200, "GET", "/api/verdicts?"+query.Encode(), "").decode(r.t, &out)
	return out.Items
}
