package api

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"anomalystream/streams"
)

// TestRules replaces a stream's rules: all or none, every mistake named, and recorded with who did it.
func TestRules(t *testing.T) {
	t.Parallel()
	r := serve(t, func(c *Config, _ *Deps) {
		most := 10.0
		c.Streams[0].Rules = []streams.Rule{{Name: "file", Field: "cpu", Max: &most}}
	})
	var got struct {
		Items   []streams.Rule
		Changed bool
	}
	r.call(200, "GET", "/api/streams/server_metrics/rules", "").decode(t, &got)
	if len(got.Items) != 1 || got.Items[0].Name != "file" || *got.Items[0].Max != 10 || got.Changed {
		t.Errorf("got %+v", got)
	}
	body := `{"items":[{"name":"hot","field":"cpu","entity":"web-*","max":95},{"name":"calm","max_anomalies":5}]}`
	r.call(200, "PUT", "/api/streams/server_metrics/rules", body)
	r.call(200, "GET", "/api/streams/server_metrics/rules", "").decode(t, &got)
	if len(got.Items) != 2 || got.Items[1].MaxAnomalies != 5 || !got.Changed || len(r.control.rules["server_metrics"]) != 2 {
		t.Errorf("got %+v", got)
	}
	r.call(200, "PUT", "/api/streams/server_metrics/rules", `{"items":[]}`)
	r.call(404, "PUT", "/api/streams/nothing/rules", `{"items":[]}`)
	refusal := r.call(422, "PUT", "/api/streams/server_metrics/rules",
		`{"items":[{"name":"a","field":"memory","max":1},{"name":"a","min":2,"max":1},{"name":"c"}]}`)
	if want := []string{"body.items[0].field", "body.items[1].name", "body.items[1].max", "body.items[2]"}; !slices.Equal(locations(t, refusal), want) {
		t.Errorf("got %v, want %v", locations(t, refusal), want)
	}
	r.call(422, "PUT", "/api/streams/server_metrics/rules", `{"items":[{"name":"a","field":"cpu","maximum":1}]}`)
	if len(r.control.rules["server_metrics"]) != 0 {
		t.Error("a refused list changed the rules")
	}
	var audit struct{ Items []streams.Audit }
	r.call(200, "GET", "/api/audit", "").decode(t, &audit)
	if len(audit.Items) != 2 || audit.Items[1].Action != "stream.rules" || audit.Items[1].Object != "server_metrics" ||
		audit.Items[1].Detail != "from 1 (file) to 2 (hot, calm)" || audit.Items[0].Detail != "from 2 (hot, calm) to 0 ()" {
		t.Errorf("got %+v", audit.Items)
	}
}

// locations are those of the errors of a problem.
func locations(t *testing.T, a *answer) (out []string) {
	t.Helper()
	var problem struct{ Errors []struct{ Location string } }
	a.decode(t, &problem)
	for _, e := range problem.Errors {
		out = append(out, e.Location)
	}
	return out
}

// TestMaintenance replaces the windows of all streams, with a calendar as text.
func TestMaintenance(t *testing.T) {
	t.Parallel()
	r := serve(t, nil)
	calendar, err := json.Marshal("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:a\r\nDTSTART;VALUE=DATE:20260701\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n")
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Items   []streams.Window
		Changed bool
	}
	r.call(200, "GET", "/api/maintenance", "").decode(t, &got)
	if got.Items == nil || len(got.Items) != 0 || got.Changed {
		t.Errorf("got %+v", got)
	}
	body := fmt.Sprintf(`{"items":[{"name":"night","streams":["transactions"],"cron":"0 2 * * *","duration":"1h","timezone":"Europe/Berlin","learn":false},{"name":"days","ical":%s}]}`, calendar)
	r.call(200, "PUT", "/api/maintenance", body)
	r.call(200, "GET", "/api/maintenance", "").decode(t, &got)
	if len(got.Items) != 2 || got.Items[0].Learns() || !got.Items[1].Learns() || !got.Changed || len(r.control.windows) != 2 {
		t.Errorf("got %+v", got)
	}
	refusal := r.call(422, "PUT", "/api/maintenance",
		`{"items":[{"name":"a","cron":"x","duration":"1h"},{"name":"b","ical":"BEGIN:VCALENDAR"},{"name":"c","streams":["nothing"],"from":"2026-01-01T00:00:00Z","to":"2025-01-01T00:00:00Z"}]}`)
	if want := []string{"body.items[0].cron", "body.items[1].ical_file", "body.items[2].to", "body.items[2].streams"}; !slices.Equal(locations(t, refusal), want) {
		t.Errorf("got %v, want %v", locations(t, refusal), want)
	}
	r.call(422, "PUT", "/api/maintenance", `{"items":[{"name":"a","ical":"`+strings.Repeat("x", maxCalendars+1)+`"}]}`)
	if len(r.control.windows) != 2 {
		t.Error("a refused list changed the windows")
	}
}

// TestGuardsAccess: everybody who reads a stream reads its rules and windows; only an admin of all streams sets windows.
func TestGuardsAccess(t *testing.T) {
	t.Parallel()
	r, tokens := guarded(t, nil)
	r.control.windows = []streams.Window{{Name: "all"}, {Name: "metrics", Streams: []string{"server_metrics"}}, {Name: "cards", Streams: []string{"transactions"}}}
	for token, want := range map[string]struct{ read, rules, windows, other int }{
		"read": {200, 403, 403, 200}, "ingest": {200, 403, 403, 200}, "admin": {200, 200, 200, 200}, "scoped": {200, 200, 403, 403},
	} {
		r.token = tokens[token]
		r.call(want.read, "GET", "/api/streams/transactions/rules", "")
		r.call(want.other, "GET", "/api/streams/server_metrics/rules", "")
		r.call(want.rules, "PUT", "/api/streams/transactions/rules", `{"items":[]}`)
		if want.windows != 200 {
			r.call(want.windows, "PUT", "/api/maintenance", `{"items":[]}`)
		}
		var got struct{ Items []streams.Window }
		r.call(200, "GET", "/api/maintenance", "").decode(t, &got)
		if sees := map[bool]int{true: 2, false: 3}[token == "scoped"]; len(got.Items) != sees {
			t.Errorf("%s sees %d windows, want %d", token, len(got.Items), sees)
		}
	}
	r.token = tokens["admin"]
	r.call(200, "PUT", "/api/maintenance", `{"items":[]}`)
}

// TestSuppressedFilter lists what something silences.
func TestSuppressedFilter(t *testing.T) {
	t.Parallel()
	r := seeded(t)
	r.history.rows[3].Suppressed = "window:night"
	for query, want := range map[string]int{"suppressed=true": 1, "suppressed=false": len(r.history.rows) - 1, "": len(r.history.rows)} {
		var got struct{ Total int }
		if r.call(200, "GET", "/api/anomalies?"+query, "").decode(t, &got); got.Total != want {
			t.Errorf("%q: got %d, want %d", query, got.Total, want)
		}
	}
	r.call(422, "GET", "/api/anomalies?suppressed=maybe", "")
	r.call(200, "GET", "/api/anomalies?kind=stuck", "")
}
