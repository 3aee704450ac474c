package api

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"anomalystream/streams"
)

// TestJudgeAnomaly gives verdicts on an anomaly: the newest counts.
func TestJudgeAnomaly(t *testing.T) {
	t.Parallel()
	for _, lag := range []bool{false, true} { // While the sink lags, this process knows what it wrote.
		r := filled(t, nil)
		r.incidents.change(func() { r.incidents.lag = lag })
		path := "/api/anomalies/server_metrics-0-1000/verdict"
		at := t0.Add(1000 * time.Second)
		var first, second givenVerdict
		r.call(202, "POST", path, `{"verdict":"expected","comment":"the backup"}`).decode(t, &first)
		if !first.Until.Equal(at.Add(30*24*time.Hour)) || len(first.Replaces) != 0 || first.Parts != 0 {
			t.Errorf("first: %+v", first)
		}
		r.call(202, "POST", path, `{"verdict":"real","for_hours":1.5}`).decode(t, &second)
		if !second.Until.Equal(at.Add(90*time.Minute)) || len(second.Replaces) != 1 || second.Replaces[0].ID != first.ID || second.Replaces[0].Verdict != "expected" {
			t.Errorf("second: %+v", second)
		}
		given := r.incidents.given
		if len(given) != 3 || given[1].Action != streams.ActionWithdraw || given[1].Withdraw != first.ID || given[2].ID != second.ID {
			t.Fatalf("given: %+v", given)
		}
		if !given[2].At.After(given[1].At) {
			t.Errorf("the verdict is of %v, the withdrawal of what it replaces of %v: by time the newer seems taken back", given[2].At, given[1].At)
		}
		f := given[0]
		if f.Kind != streams.KindModel || f.Verdict != streams.VerdictExpected || f.Anomaly != "server_metrics-0-1000" || f.Incident != "" || f.Entity != "web-1" || f.Features["cpu"] != 99.5 ||
			len(f.Guilty) != 1 || !f.From.Equal(at) || !f.To.Equal(at) || f.Comment != "the backup" {
			t.Errorf("record: %+v", f)
		}
		if given[1].Key()[:len("server_metrics/web-1\x00")] != given[2].Key()[:len("server_metrics/web-1\x00")] {
			t.Errorf("the withdrawal is keyed %q, the verdict %q: they may not stay in order", given[1].Key(), given[2].Key())
		}
		// The incident of which it is the first anomaly is another matter.
		var third givenVerdict
		r.call(202, "POST", "/api/incidents/server_metrics-0-1000/verdict", `{"verdict":"noise"}`).decode(t, &third)
		if len(third.Replaces) != 0 {
			t.Errorf("the incident's verdict replaces %+v", third.Replaces)
		}
		if f := r.incidents.given[3]; !f.Lasting || f.Kind != streams.KindModel || given[0].Lasting {
			t.Errorf("record on an incident that lasts: %+v", f)
		}
		r.call(202, "DELETE", "/api/verdicts/"+second.ID, "")
		r.call(409, "DELETE", "/api/verdicts/"+second.ID, "")
		r.call(409, "DELETE", "/api/verdicts/"+first.ID, "")
		r.call(404, "DELETE", "/api/verdicts/nobody", "")
		r.call(202, "POST", path, `{"verdict":"real","until":"2027-01-01T00:00:00+02:00"}`).decode(t, &second)
		if len(second.Replaces) != 0 || !second.Until.Equal(time.Date(2026, 12, 31, 22, 0, 0, 0, time.UTC)) {
			t.Errorf("after the withdrawal: %+v", second)
		}
		for _, body := range []string{
			`{"verdict":"false"}`, `{}`, `{"verdict":"real","for_hours":0}`, `{"verdict":"real","for_hours":1e9}`, `{"verdict":"real","until":"2020-01-01T00:00:00Z"}`, `{"verdict":"real","until":"soon"}`,
			`{"verdict":"real","for_hours":1,"until":"2027-01-01T00:00:00Z"}`, `{"verdict":"real","comment":"\u0000"}`, `{"verdict":"real","more":1}`,
		} {
			r.call(422, "POST", path, body)
		}
		r.call(404, "POST", "/api/anomalies/nobody/verdict", `{"verdict":"real"}`)
	}
}

// TestVerdictThatHasEnded refuses a verdict of which nothing would come, and says why.
func TestVerdictThatHasEnded(t *testing.T) {
	t.Parallel()
	r := filled(t, nil)
	path, at := "/api/incidents/server_metrics-0-2000/verdict", t0.Add(2000*time.Second)
	r.statuses.rows = []streams.DetectorStatus{{Stream: "server_metrics", Entity: "web-2", LastEvent: at.Add(31 * 24 * time.Hour)}, {Stream: "server_metrics", Entity: "db-0", LastEvent: at.Add(24 * time.Hour)}}
	for body, field := range map[string]string{
		`{"verdict":"real"}`: "body.for_hours", `{"verdict":"real","for_hours":700}`: "body.for_hours", `{"verdict":"real","until":"2026-01-30T00:00:00Z"}`: "body.until",
	} {
		if got := string(r.call(422, "POST", path, body).body); !strings.Contains(got, field) || !strings.Contains(got, "its detector has seen events up to") {
			t.Errorf("%s: %s", body, got)
		}
	}
	if len(r.incidents.given) > 0 {
		t.Errorf("given: %+v", r.incidents.given)
	}
	r.call(202, "POST", path, `{"verdict":"real","for_hours":800}`)
	r.call(202, "POST", "/api/incidents/group-1/verdict", `{"verdict":"real","for_hours":1}`) // The detector of one member is not known.
	r.statuses.rows = append(r.statuses.rows, streams.DetectorStatus{Stream: "server_metrics", Entity: "db-1", LastEvent: at.Add(24 * time.Hour)})
	r.call(422, "POST", "/api/incidents/group-1/verdict", `{"verdict":"real","for_hours":1}`)
}

// TestToldOfOldIncidents says whether the topic tells what is said about an incident that has ended, and sends the incident along.
func TestToldOfOldIncidents(t *testing.T) {
	t.Parallel()
	now := t0.Add(48 * time.Hour)
	r := filled(t, func(c *Config, _ *Deps) { c.Now = func() time.Time { return now } })
	for age, want := range map[time.Duration]bool{time.Hour: true, 29 * 24 * time.Hour: true, 31 * 24 * time.Hour: false} {
		ended := now.Add(-age)
		r.incidents.change(func() {
			for k := range r.incidents.rows {
				if i := &r.incidents.rows[k]; !i.Open() {
					i.EndedAt = &ended
				}
			}
			r.incidents.given = nil
		})
		var comment given
		var verdict givenVerdict
		r.call(202, "POST", "/api/incidents/server_metrics-0-2000/comment", `{"comment":"so"}`).decode(t, &comment)
		r.call(202, "POST", "/api/incidents/server_metrics-0-2000/verdict", `{"verdict":"real"}`).decode(t, &verdict)
		r.call(202, "DELETE", "/api/verdicts/"+verdict.ID, "")
		if comment.Told != want || verdict.Told != want {
			t.Errorf("ended %s ago: told %v and %v", age, comment.Told, verdict.Told)
		}
		for _, f := range r.incidents.given {
			if f.About == nil || f.About.ID != "server_metrics-0-2000" {
				t.Errorf("given: %+v", f)
			}
		}
	}
	var open given
	r.call(202, "POST", "/api/incidents/server_metrics-0-0/comment", `{"comment":"so"}`).decode(t, &open)
	if f := r.incidents.given[len(r.incidents.given)-1]; !open.Told || f.About != nil {
		t.Errorf("one that lasts: told %v, %+v", open.Told, f)
	}
}

// TestJudgeGroup gives a verdict on a group: its members get it too, and what they had is replaced.
func TestJudgeGroup(t *testing.T) {
	t.Parallel()
	for _, lag := range []bool{false, true} {
		r := filled(t, nil)
		r.incidents.change(func() { r.incidents.lag = lag })
		var member, group, again givenVerdict
		r.call(202, "POST", "/api/incidents/server_metrics-0-5000/verdict", `{"verdict":"noise"}`).decode(t, &member)
		r.call(202, "POST", "/api/incidents/group-1/verdict", `{"verdict":"real","for_hours":2}`).decode(t, &group)
		if group.Parts != 2 || len(group.Replaces) != 0 {
			t.Errorf("group: %+v", group)
		}
		given := r.incidents.given[1:]
		if len(given) != 4 || given[0].Withdraw != member.ID {
			t.Fatalf("given: %+v", given)
		}
		for k, f := range given[1:] {
			entity := []string{"", "db-1", "db-0"}[k]
			if f.Verdict != streams.VerdictReal || f.Entity != entity && k == 0 || (f.PartOf == group.ID) != (k > 0) || (f.Features != nil) != (k > 0) || !f.Until.Equal(f.To.Add(2*time.Hour)) {
				t.Errorf("record %d: %+v", k, f)
			}
		}
		r.call(202, "POST", "/api/incidents/group-1/verdict", `{"verdict":"expected"}`).decode(t, &again)
		if len(again.Replaces) != 1 || again.Replaces[0].ID != group.ID || len(r.incidents.given) != 1+4+6 {
			t.Errorf("again: %+v, %d records", again, len(r.incidents.given))
		}
		var out struct{ Parts int }
		r.call(202, "DELETE", "/api/verdicts/"+again.ID, "").decode(t, &out)
		if out.Parts != 2 {
			t.Errorf("withdrawn with %d parts, want 2", out.Parts)
		}
	}
}

// TestVerdictList lists, pages and sums up.
func TestVerdictList(t *testing.T) {
	t.Parallel()
	r := filled(t, nil)
	for k, verdict := range []string{"real", "noise", "real"} {
		r.call(202, "POST", fmt.Sprintf("/api/anomalies/server_metrics-0-%d/verdict", 1000*k), `{"verdict":"`+verdict+`"}`)
	}
	r.call(202, "POST", "/api/incidents/group-1/verdict", `{"verdict":"expected"}`)
	r.call(202, "DELETE", "/api/verdicts/"+r.incidents.given[2].ID, "")
	for query, want := range map[string]int{"": 6, "state=in_force": 5, "state=withdrawn": 1, "state=expired": 0, "verdict=noise": 1, "top_level=true": 4, "incident=group-1": 1, "anomaly=server_metrics-0-1000": 1, "stream=transactions": 0, "limit=2": 2, "limit=4&cursor=4": 2} {
		q, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.verdictsOf(q); len(got) != want {
			t.Errorf("%q: %d verdicts, want %d: %+v", query, len(got), want, got)
		}
	}
	for _, query := range []string{"?state=x", "?limit=0", "?cursor=x", "?verdict=", "?x=1"} {
		r.call(422, "GET", "/api/verdicts"+query, "")
	}
	r.history.judged = map[string]streams.VerdictCounts{"server_metrics": {Real: 1, Expected: 1, Noise: 2}}
	var stats struct {
		Streams []struct {
			Stream    string
			Verdicts  streams.VerdictCounts
			Precision *float64
		}
	}
	r.call(200, "GET", "/api/stats", "").decode(t, &stats)
	if s := stats.Streams[0]; s.Precision == nil || *s.Precision != 0.25 || s.Verdicts.Noise != 2 {
		t.Errorf("stats: %+v", s)
	}
	if s := stats.Streams[1]; s.Precision != nil {
		t.Errorf("stats without a verdict: %+v", s)
	}
	metrics := string(r.call(200, "GET", "/metrics", "").body)
	if !strings.Contains(metrics, `anomalystream_api_verdicts_total{stream="server_metrics",verdict="real"} 2`) {
		t.Errorf("metrics: %s", metrics)
	}
}

// TestPrecisionGauge follows the store's verdicts.
func TestPrecisionGauge(t *testing.T) {
	t.Parallel()
	r := serve(t, func(_ *Config, d *Deps) {
		store := d.Incidents.(*fakeIncidents)
		for k, verdict := range []string{streams.VerdictReal, streams.VerdictReal, streams.VerdictReal, streams.VerdictNoise} {
			store.feedback = append(store.feedback, streams.Feedback{ID: fmt.Sprint(k), Action: streams.ActionVerdict, Verdict: verdict, Stream: "server_metrics"})
		}
	})
	eventually(t, "the gauge", func() bool {
		return strings.Contains(string(r.call(200, "GET", "/metrics", "").body), `anomalystream_api_verdict_precision{stream="server_metrics"} 0.75`)
	})
}
