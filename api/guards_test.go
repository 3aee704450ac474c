package api

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

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
		audit.Items[1].Detail != `added {"name":"hot","field":"cpu","entity":"web-*","max":95}; added {"name":"calm","max_anomalies":5}; removed {"name":"file","field":"cpu","max":10}` {
		t.Errorf("got %+v", audit.Items)
	}
	got.Changed = false
	r.call(200, "DELETE", "/api/streams/server_metrics/rules", "").decode(t, &got)
	if _, set := r.control.rules["server_metrics"]; set || len(got.Items) != 1 || got.Items[0].Name != "file" || got.Changed {
		t.Errorf("after going back to the configuration: %+v", got)
	}
	r.call(404, "DELETE", "/api/streams/nothing/rules", "")
	r.call(200, "GET", "/api/audit", "").decode(t, &audit)
	if a := audit.Items[0]; a.Action != "stream.rules.reset" || a.Object != "server_metrics" || a.Detail != `added {"name":"file","field":"cpu","max":10}` {
		t.Errorf("got %+v", a)
	}
}

// TestChangesOf tells what the audit keeps of a change of rules or windows.
func TestChangesOf(t *testing.T) {
	t.Parallel()
	five, six := 5.0, 6.0
	a, changed, b := streams.Rule{Name: "a", Max: &five}, streams.Rule{Name: "a", Max: &six}, streams.Rule{Name: "b", Field: strings.Repeat("ö", 300)}
	long := changesOf(nil, []streams.Rule{b}, nameOfRule)
	for got, want := range map[string]string{
		changesOf([]streams.Rule{a}, []streams.Rule{a}, nameOfRule):       "nothing changed",
		changesOf([]streams.Rule{a, b}, []streams.Rule{b, a}, nameOfRule): "another order",
		changesOf([]streams.Rule{a}, []streams.Rule{changed}, nameOfRule): `changed {"name":"a","max":5} to {"name":"a","max":6}`,
		changesOf([]streams.Rule{a}, nil, nameOfRule):                     `removed {"name":"a","max":5}`,
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if len(long) > mostOfItem+len("added ") || !utf8.ValidString(long) || !strings.HasSuffix(long, "ö…") {
		t.Errorf("got %q", long)
	}
	many := make([]streams.Rule, 1000)
	for i := range many {
		many[i].Name = fmt.Sprint("rule-", i)
	}
	if got := changesOf(nil, many, nameOfRule); len(got) > mostOfChange {
		t.Errorf("%d bytes for the audit, want at most %d", len(got), mostOfChange)
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
	r := serve(t, func(c *Config, _ *Deps) {
		c.Maintenance = []streams.Window{{Name: "file", Streams: []string{"transactions"}, Cron: "0 1 * * *", Duration: "1h", Origin: "streams.transactions.maintenance.0"}}
	})
	calendar, err := json.Marshal("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:a\r\nDTSTART;VALUE=DATE:20260701\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n")
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Items   []window
		Changed bool
	}
	r.call(200, "GET", "/api/maintenance", "").decode(t, &got)
	if len(got.Items) != 1 || got.Items[0].Origin != "streams.transactions.maintenance.0" || got.Changed {
		t.Errorf("got %+v", got)
	}
	body := fmt.Sprintf(`{"items":[{"name":"night","streams":["transactions"],"cron":"0 2 * * *","duration":"1h","timezone":"Europe/Berlin","learn":false},{"name":"days","ical":%s}]}`, calendar)
	r.call(200, "PUT", "/api/maintenance", body)
	r.call(200, "GET", "/api/maintenance", "").decode(t, &got)
	if len(got.Items) != 2 || got.Items[0].Learns() || !got.Items[1].Learns() || got.Items[0].Origin != originAPI || !got.Changed || len(r.control.windows) != 2 {
		t.Errorf("got %+v", got)
	}
	refusal := r.call(422, "PUT", "/api/maintenance",
		`{"items":[{"name":"a","cron":"x","duration":"1h"},{"name":"b","ical":"BEGIN:VCALENDAR"},{"name":"c","streams":["nothing"],"from":"2026-01-01T00:00:00Z","to":"2025-01-01T00:00:00Z"}]}`)
	if want := []string{"body.items[0].cron", "body.items[1].ical", "body.items[2].to", "body.items[2].streams"}; !slices.Equal(locations(t, refusal), want) {
		t.Errorf("got %v, want %v", locations(t, refusal), want)
	}
	r.call(422, "PUT", "/api/maintenance", `{"items":[{"name":"a","ical":"`+strings.Repeat("x", maxCalendars+1)+`"}]}`)
	if len(r.control.windows) != 2 {
		t.Error("a refused list changed the windows")
	}
	// What was read can be written: the origin is not taken from there.
	r.call(200, "PUT", "/api/maintenance", `{"items":[{"name":"night","cron":"0 2 * * *","duration":"1h","origin":"maintenance.7"}],"changed":true}`)
	if got.Changed = false; len(r.control.windows) != 1 || r.control.windows[0].Origin != "" {
		t.Errorf("got %+v", r.control.windows)
	}
	r.call(200, "DELETE", "/api/maintenance", "").decode(t, &got)
	if len(got.Items) != 1 || got.Items[0].Name != "file" || got.Changed || r.control.windows != nil {
		t.Errorf("after going back to the configuration: %+v", got)
	}
	var audit struct{ Items []streams.Audit }
	r.call(200, "GET", "/api/audit", "").decode(t, &audit)
	if a := audit.Items[0]; a.Action != "maintenance.reset" || !strings.HasPrefix(a.Detail, `added {"name":"file",`) || !strings.Contains(a.Detail, `; removed {"name":"night",`) {
		t.Errorf("got %+v", a)
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
		r.call(want.rules, "DELETE", "/api/streams/transactions/rules", "")
		if want.windows != 200 {
			r.call(want.windows, "PUT", "/api/maintenance", `{"items":[]}`)
			r.call(want.windows, "DELETE", "/api/maintenance", "")
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
