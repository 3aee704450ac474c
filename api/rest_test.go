package api

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"anomalystream/streams"
)

// seeded serves ten anomalies of server_metrics and two of transactions.
func seeded(t *testing.T) *rig {
	t.Helper()
	r := serve(t, nil)
	for i := range int64(10) {
		r.history.add(anomaly("server_metrics", fmt.Sprintf("web-%d", i%3), i, 0.6+float64(i)*0.04), t0.Add(time.Minute))
	}
	for i := range int64(2) {
		r.history.add(anomaly("transactions", "card/7", 100+i, 0.7), t0.Add(time.Minute))
	}
	return r
}

type page struct {
	Items      []streams.StoredAnomaly `json:"items"`
	Total      *int64                  `json:"total"`
	Limit      int                     `json:"limit"`
	Offset     int                     `json:"offset"`
	NextCursor *string                 `json:"next_cursor"`
}

func ids(items []streams.StoredAnomaly) []string {
	out := make([]string, len(items))
	for i, a := range items {
		out[i] = a.ID
	}
	return out
}

// TestAnomalyShape pins the JSON that clients rely on.
func TestAnomalyShape(t *testing.T) {
	t.Parallel()
	r := seeded(t)
	var got map[string]any
	r.call(200, "GET", "/api/anomalies/server_metrics-0-3", "").decode(t, &got)
	want := map[string]any{
		"id": "server_metrics-0-3", "stream": "server_metrics", "entity": "web-0", "timestamp": "2026-01-02T03:04:08Z", "kind": "model",
		"score": 0.72, "severity": 7.199999999999999, "alert_score": 0.72, "features": map[string]any{"cpu": 99.5}, "votes": 2.0, "voters": 3.0, "needed": 2.0,
		"detectors": []any{
			map[string]any{"name": "iforest", "raw": 0.7, "score": 0.72, "vote": true},
			map[string]any{"name": "lof", "raw": 3.0, "score": 0.2, "vote": false},
		},
		"explanation": map[string]any{
			"sentence":       "cpu is far above normal",
			"contributions":  []any{map[string]any{"feature": "cpu", "share": 1.0, "value": 99.5, "expected": 0.0, "deviation": 0.0}},
			"requested_rate": 0.0, "threshold": 0.0, "statistic": 0.0, "generation": 0.0, "trained_rows": 0.0,
			"trained_from": "0001-01-01T00:00:00Z", "trained_to": "0001-01-01T00:00:00Z",
		},
		"source":     map[string]any{"topic": "server_metrics", "partition": 0.0, "offset": 3.0},
		"created_at": "2026-01-02T03:05:05Z",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestListFilters(t *testing.T) {
	t.Parallel()
	r := seeded(t)
	for _, c := range []struct {
		path string
		want string // Offsets.
	}{
		{"/api/anomalies?stream=server_metrics", "9 8 7 6 5 4 3 2 1 0"},
		{"/api/anomalies/stream/server_metrics?limit=3", "9 8 7"},
		{"/api/anomalies/stream/nothing", ""},
		{"/api/anomalies?limit=2&offset=11", "0"},
		{"/api/anomalies?sort=oldest&limit=2", "0 1"},
		{"/api/anomalies?sort=score&limit=2", "9 8"},
		{"/api/anomalies?sort=severity&limit=2", "9 8"},
		{"/api/anomalies?min_score=0.9&sort=oldest", "8 9"},
		{"/api/anomalies?max_score=0.65&sort=oldest", "0 1"},
		{"/api/anomalies?max_score=0", ""},
		{"/api/anomalies?min_severity=9.5", "9"},
		{"/api/anomalies?entity=card%2F7&sort=oldest", "100 101"},
		{"/api/anomalies?entity=web-1&sort=oldest", "1 4 7"},
		{"/api/anomalies?detector=iforest&limit=1", "101"},
		{"/api/anomalies?detector=lof", ""},
		{"/api/anomalies?kind=rule", ""},
		{"/api/anomalies?min_votes=3", ""},
		{"/api/anomalies?from=2026-01-02T03:04:12Z&to=2026-01-02T03:04:14Z", "8 7"},
		{"/api/anomalies?from=2026-01-02T04:04:12%2B01:00&to=2026-01-02T03:04:14Z", "8 7"},
		{"/api/anomalies?from=0001-01-02T00:00:00Z&to=9999-12-31T00:00:00Z&limit=1", "101"},
		{"/api/anomalies?stream=%27%3B%20DROP%20TABLE%20anomalies%3B--", ""},
	} {
		var got page
		r.call(200, "GET", c.path, "").decode(t, &got)
		var offsets []string
		for _, a := range got.Items {
			offsets = append(offsets, fmt.Sprint(a.Source.Offset))
		}
		if strings.Join(offsets, " ") != c.want {
			t.Errorf("%s: got %v, want %s", c.path, offsets, c.want)
		}
	}
}

// TestPaging walks by cursor and by offset: both see every row once, in one order, and tell the same total.
func TestPaging(t *testing.T) {
	t.Parallel()
	r := seeded(t)
	var all page
	r.call(200, "GET", "/api/anomalies?limit=1000", "").decode(t, &all)
	if *all.Total != 12 || all.NextCursor != nil || all.Limit != 1000 {
		t.Fatalf("got total %d, cursor %v, limit %d", *all.Total, all.NextCursor, all.Limit)
	}
	var byCursor, byOffset []string
	for cursor := ""; ; {
		var p page
		r.call(200, "GET", "/api/anomalies?limit=5&cursor="+url.QueryEscape(cursor), "").decode(t, &p)
		if *p.Total != 12 {
			t.Errorf("total: got %d, want 12", *p.Total)
		}
		byCursor = append(byCursor, ids(p.Items)...)
		if p.NextCursor == nil {
			break
		}
		cursor = *p.NextCursor
	}
	for offset := 0; offset < 15; offset += 5 {
		var p page
		r.call(200, "GET", fmt.Sprintf("/api/anomalies?limit=5&offset=%d&count=false", offset), "").decode(t, &p)
		if p.Total != nil {
			t.Errorf("total without count: got %d", *p.Total)
		}
		byOffset = append(byOffset, ids(p.Items)...)
	}
	if diff := cmp.Diff(ids(all.Items), byCursor); diff != "" {
		t.Error("by cursor:", diff)
	}
	if diff := cmp.Diff(ids(all.Items), byOffset); diff != "" {
		t.Error("by offset:", diff)
	}
}

// TestBadInput sends what no handler may see. Every bad field must be named.
func TestBadInput(t *testing.T) {
	t.Parallel()
	r := seeded(t)
	for _, c := range []struct {
		status             int
		method, path, body string
		fields             string
	}{
		{422, "GET", "/api/anomalies?limit=0&min_score=2&sort=up&from=yesterday", "", "query.from query.limit query.min_score query.sort"},
		{422, "GET", "/api/anomalies?limit=1001", "", "query.limit"},
		{422, "GET", "/api/anomalies?limit=ten", "", "query.limit"},
		{422, "GET", "/api/anomalies?offset=-1", "", "query.offset"},
		{422, "GET", "/api/anomalies?min_score=NaN", "", "query.min_score"},
		{422, "GET", "/api/anomalies?min_scor=0.9", "", "query.min_scor"},
		{422, "GET", "/api/anomalies?cursor=x&offset=1", "", "query.offset"},
		{422, "GET", "/api/anomalies?cursor=x", "", "query.cursor"},
		{422, "GET", "/api/anomalies?min_score=0.9&max_score=0.7", "", "query.max_score"},
		{422, "GET", "/api/anomalies?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", "", "query.to"},
		{422, "GET", "/api/anomalies?entity=a%00b", "", "query.entity"},
		{422, "GET", "/api/anomalies?entity=%ff", "", "query.entity"},
		{400, "GET", "/api/anomalies?entity=%zz", "", ""},
		{422, "GET", "/api/anomalies/%00", "", "path.id"},
		{404, "GET", "/api/anomalies/nothing-0-1", "", ""},
		{404, "GET", "/api/anomalies/server_metrics-0-3%20OR%201=1", "", ""},
		{404, "DELETE", "/api/anomalies/nothing-0-1", "", ""},
		{422, "GET", "/api/anomalies?from=&limit=&entity=", "", "query.from query.limit"},
		{404, "GET", "/api/anomalies/a/b", "", ""},
		{405, "DELETE", "/api/anomalies/stream/server_metrics", "", ""},
		{404, "GET", "/api/anomalies/..%2f..%2fetc%2fpasswd", "", ""},
		{404, "GET", "/web/index.html", "", ""},
		{404, "GET", "/docs/../page.go", "", ""},
		{404, "GET", "/nothing", "", ""},
		{404, "GET", "/api/nothing", "", ""},
		{405, "PUT", "/api/anomalies", "{}", ""},
		{405, "POST", "/health", "{}", ""},
		{405, "DELETE", "/api/stats", "", ""},
		{404, "GET", "/api/streams/nothing", "", ""},
		{404, "GET", "/api/streams/server_metrics/detectors/nobody", "", ""},
		{422, "PATCH", "/api/streams/server_metrics", `{"requested_rate":0.5}`, "body.requested_rate"},
		{422, "PATCH", "/api/streams/server_metrics", `{"requested_rate":"high"}`, "body.requested_rate"},
		{422, "PATCH", "/api/streams/server_metrics", `{"requested_rate":0.1,"name":"x"}`, "body.name"},
		{422, "PATCH", "/api/streams/server_metrics", `{}`, "body"},
		{400, "PATCH", "/api/streams/server_metrics", `{"requested_rate":`, "body"},
		{404, "PATCH", "/api/streams/nothing", `{"requested_rate":0.1}`, ""},
		{422, "POST", "/api/streams/server_metrics/events", `[]`, "body"},
		{422, "POST", "/api/streams/server_metrics/events", `7`, "body"},
		{422, "POST", "/api/streams/server_metrics/events", `[{"host":"a"}]`, "body[0].cpu"},
		{422, "POST", "/api/streams/transactions/events", `{"cpu":1}`, "body[0]"},
		{422, "POST", "/api/streams/transactions/events?key=a&key_field=b", `{"cpu":1}`, "query.key_field"},
		{422, "POST", "/api/streams/server_metrics/score", `{"host":"web-1"}`, "body.cpu"},
		{404, "POST", "/api/streams/server_metrics/score", `{"host":"web-2","cpu":1}`, ""},
		{426, "GET", "/ws/alerts", "", ""},
		{422, "GET", "/ws/alerts?min_score=2&stream=nope&foo=1", "", "query.foo query.min_score query.stream"},
		{422, "GET", "/api/alerts?since=a%0Ab-1", "", "query.since"},
		{422, "GET", "/api/alerts?since=yesterday&include=all&batch=false", "", "query.batch query.include query.since"},
	} {
		a := r.call(c.status, c.method, c.path, c.body)
		var p struct {
			Errors []struct {
				Location string `json:"location"`
			} `json:"errors"`
		}
		a.decode(t, &p)
		var fields []string
		for _, e := range p.Errors {
			fields = append(fields, e.Location)
		}
		slices.Sort(fields)
		if got := strings.Join(fields, " "); got != c.fields {
			t.Errorf("%s %s %s: got fields %q, want %q", c.method, c.path, c.body, got, c.fields)
		}
	}
}

// TestStoreTrouble: a store that is away or panics is told as such, without its words.
func TestStoreTrouble(t *testing.T) {
	t.Parallel()
	r := seeded(t)
	r.history.fail(errStore)
	for _, path := range []string{"/api/anomalies", "/api/anomalies/server_metrics-0-3", "/api/stats", "/api/streams/server_metrics/series"} {
		if got := r.call(503, "GET", path, "").Header.Get("Retry-After"); got != "1" {
			t.Errorf("%s: Retry-After: got %q, want 1", path, got)
		}
	}
	if !strings.Contains(r.log.String(), "password authentication failed") {
		t.Error("the log does not hold the cause")
	}
	r.history.fail(nil)
	r.history.mu.Lock()
	r.history.panics = true
	r.history.mu.Unlock()
	r.call(500, "GET", "/api/anomalies", "")
	r.call(200, "GET", "/api/anomalies/server_metrics-0-3", "")
}

func TestHealth(t *testing.T) {
	t.Parallel()
	var partErr error
	r := serve(t, func(c *Config, d *Deps) {
		c.Version = "1.2.3"
		d.Health = []Part{{Name: "processor server_metrics", Ready: func(context.Context) error { return partErr }}}
	})
	type health struct {
		Status  string `json:"status"`
		Version string `json:"version"`
		Parts   []struct{ Name, Status string }
	}
	var got health
	r.call(200, "GET", "/health", "").decode(t, &got)
	if got.Status != "ok" || got.Version != "1.2.3" || len(got.Parts) != 1 || got.Parts[0].Name != "database" {
		t.Errorf("got %+v", got)
	}
	r.call(200, "GET", "/livez", "")
	r.call(200, "GET", "/readyz", "")

	r.history.fail(errStore)
	r.call(503, "GET", "/health", "").decode(t, &got)
	if got.Status != "unavailable" || got.Parts[0].Status != "unavailable" {
		t.Errorf("got %+v", got)
	}
	r.call(200, "GET", "/livez", "")
	r.call(503, "GET", "/readyz", "")
	r.history.fail(nil)
	partErr = errStore
	r.call(503, "GET", "/readyz", "")
	partErr = nil
	r.statuses.recovering = true
	r.call(503, "GET", "/readyz", "")
	r.call(200, "GET", "/health", "")
}
