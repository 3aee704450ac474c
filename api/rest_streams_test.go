package api

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"anomalystream/streams"
)

func TestStats(t *testing.T) {
	t.Parallel()
	r := seeded(t)
	rate, mean, top := 0.02, 0.3, 0.99
	r.statuses.rows = []streams.DetectorStatus{
		{Stream: "server_metrics", Entity: "web-1", Phase: streams.PhaseReady, Seen: 1000, Scored: 800, Anomalies: 16, RealisedRate: &rate,
			MeanScore: &mean, MaxScore: &top, LastEvent: t0},
		{Stream: "server_metrics", Entity: "web-2", Phase: streams.PhaseWarmUp, Seen: 50, WarmUpHave: 50, WarmUpNeed: 200},
	}
	var got struct {
		Streams []struct {
			Stream      string
			Anomalies   int64
			Seen        int64
			Rate        *float64
			MeanScore   *float64             `json:"mean_score"`
			MaxScore    *float64             `json:"max_score"`
			LastAnomaly *streams.LastAnomaly `json:"last_anomaly"`
			Phase       string
			WarmUp      struct{ Have, Need int } `json:"warm_up"`
		}
		Seen, Anomalies int64
	}
	r.call(200, "GET", "/api/stats", "").decode(t, &got)
	s := got.Streams[0]
	if s.Stream != "server_metrics" || s.Anomalies != 10 || s.Seen != 1050 || *s.Rate != 0.02 || *s.MeanScore != 0.3 || *s.MaxScore != 0.99 ||
		s.LastAnomaly.ID != "server_metrics-0-9" || s.Phase != "partly" || s.WarmUp.Have != 50 || s.WarmUp.Need != 200 {
		t.Errorf("got %+v", s)
	}
	if got.Streams[1].Phase != "waiting" || got.Streams[1].Rate != nil || got.Seen != 1050 || got.Anomalies != 12 {
		t.Errorf("got %+v", got)
	}
}

func TestStreamsAndDetectors(t *testing.T) {
	t.Parallel()
	r := serve(t, nil)
	for i := range 5 {
		r.statuses.rows = append(r.statuses.rows, streams.DetectorStatus{Stream: "server_metrics", Entity: fmt.Sprintf("rack/%d", i), Phase: streams.PhaseReady})
	}
	r.statuses.rows[4].Phase = streams.PhaseWarmUp
	r.statuses.rows = append(r.statuses.rows, streams.DetectorStatus{Stream: "transactions"})
	var all struct {
		Items []struct{ Name, Topic, Key string }
	}
	r.call(200, "GET", "/api/streams", "").decode(t, &all)
	if len(all.Items) != 2 || all.Items[0].Name != "server_metrics" || all.Items[0].Key != "host" {
		t.Errorf("got %+v", all)
	}
	r.call(200, "GET", "/api/streams/server_metrics", "")
	var detectors struct {
		Items []streams.DetectorStatus
		Total int
	}
	r.call(200, "GET", "/api/streams/server_metrics/detectors?phase=ready&limit=2&offset=1", "").decode(t, &detectors)
	if detectors.Total != 4 || len(detectors.Items) != 2 || detectors.Items[0].Entity != "rack/1" {
		t.Errorf("got %+v", detectors)
	}
	r.call(200, "GET", "/api/streams/server_metrics/detectors?search=K%2F3", "").decode(t, &detectors)
	if detectors.Total != 1 || len(detectors.Items) != 1 || detectors.Items[0].Entity != "rack/3" {
		t.Errorf("searching: got %+v", detectors)
	}
	r.call(422, "GET", "/api/streams/server_metrics/detectors?search="+strings.Repeat("x", 251), "")
	var one streams.DetectorStatus
	r.call(200, "GET", "/api/streams/server_metrics/detectors/rack%2F3", "").decode(t, &one)
	if one.Entity != "rack/3" {
		t.Errorf("got %+v", one)
	}
	r.call(200, "GET", "/api/streams/transactions/detectors/-", "").decode(t, &one)
	if one.Entity != "" || one.Stream != "transactions" {
		t.Errorf("got %+v", one)
	}
}

// TestChanges sets a rate and deletes an anomaly; both are recorded with who did it.
func TestChanges(t *testing.T) {
	t.Parallel()
	r := seeded(t)
	var s struct {
		RequestedRate float64 `json:"requested_rate"`
	}
	r.call(200, "PATCH", "/api/streams/server_metrics", `{"requested_rate":0.02}`).decode(t, &s)
	if s.RequestedRate != 0.02 || r.control.rates["server_metrics"] != 0.02 {
		t.Errorf("got %v and %v, want 0.02", s, r.control.rates)
	}
	r.call(200, "GET", "/api/streams/server_metrics", "").decode(t, &s)
	if s.RequestedRate != 0.02 {
		t.Errorf("got %v, want 0.02", s.RequestedRate)
	}
	if a := r.call(204, "DELETE", "/api/anomalies/server_metrics-0-3", ""); len(a.body) != 0 {
		t.Errorf("got body %q", a.body)
	}
	r.call(404, "GET", "/api/anomalies/server_metrics-0-3", "")
	if want := []string{"server_metrics-0-3 by anonymous"}; !slices.Equal(r.history.deleted, want) {
		t.Errorf("got %v, want %v", r.history.deleted, want)
	}
	var audit struct{ Items []streams.Audit }
	r.call(200, "GET", "/api/audit", "").decode(t, &audit)
	if len(audit.Items) != 1 || audit.Items[0].Who != "anonymous" || audit.Items[0].Detail != "requested_rate from 0.01 to 0.02" {
		t.Errorf("got %+v", audit)
	}
	r.call(200, "DELETE", "/api/streams/server_metrics/requested-rate", "").decode(t, &s)
	if _, set := r.control.rates["server_metrics"]; set || s.RequestedRate != 0.01 {
		t.Errorf("after going back to the configuration: %v", s)
	}
	r.call(404, "DELETE", "/api/streams/nothing/requested-rate", "")
	r.call(200, "GET", "/api/audit", "").decode(t, &audit)
	if a := audit.Items[0]; a.Action != "stream.rate.reset" || a.Detail != "requested_rate from 0.02 to 0.01" {
		t.Errorf("got %+v", a)
	}
}

func TestSendAndScore(t *testing.T) {
	t.Parallel()
	r := serve(t, nil)
	var got struct {
		Accepted, Refused int
		Results           []struct {
			Position *streams.Position
			Code     string
		}
	}
	r.call(202, "POST", "/api/streams/server_metrics/events", `{"host":"web-1","cpu":1}`).decode(t, &got)
	if got.Accepted != 1 || got.Results[0].Position.Topic != "server_metrics" {
		t.Errorf("got %+v", got)
	}
	r.call(202, "POST", "/api/streams/transactions/events?key_field=n", `[{"n":7,"cpu":1},{"n":"b","cpu":"x"},{"n":"c","cpu":3}]`).decode(t, &got)
	if got.Accepted != 2 || got.Refused != 1 || got.Results[1].Code != "missing_feature" || got.Results[1].Position != nil {
		t.Errorf("got %+v", got)
	}
	r.call(202, "POST", "/api/streams/transactions/events?key=all", `[{"cpu":1}]`)
	r.call(202, "POST", "/api/streams/transactions/events", `{"id":"x","card":"4711","cpu":1}`)
	if want := []string{"web-1", "7", "c", "all", "4711"}; !slices.Equal(r.events.keys, want) {
		t.Errorf("keys: got %v, want %v", r.events.keys, want)
	}
	var score Score
	r.call(200, "POST", "/api/streams/server_metrics/score", `{"host":"web-1","cpu":99}`).decode(t, &score)
	if *score.Score != 0.7 || score.Entity != "web-1" {
		t.Errorf("got %+v", score)
	}
	r.call(200, "POST", "/api/streams/server_metrics/score?entity=web-1", `{"cpu":99}`)
	r.events.err = errStore
	r.call(503, "POST", "/api/streams/server_metrics/events", `{"host":"web-1","cpu":1}`)
}

// TestNotHere: parts that a process does not hold answer 501.
func TestNotHere(t *testing.T) {
	t.Parallel()
	r := serve(t, func(_ *Config, d *Deps) { d.Audits, d.Publisher, d.Scorer, d.Control = nil, nil, nil, nil })
	r.call(501, "GET", "/api/audit", "")
	r.call(501, "POST", "/api/streams/server_metrics/events", `{"host":"a","cpu":1}`)
	r.call(501, "POST", "/api/streams/server_metrics/score", `{"host":"a","cpu":1}`)
	r.call(501, "PATCH", "/api/streams/server_metrics", `{"requested_rate":0.1}`)
	r.call(501, "PUT", "/api/streams/server_metrics/rules", `{"items":[]}`)
	r.call(501, "PUT", "/api/maintenance", `{"items":[]}`)
}

func TestSeries(t *testing.T) {
	t.Parallel()
	r := serve(t, func(c *Config, _ *Deps) { c.Now = func() time.Time { return t0 } })
	half := 0.5
	for i, entity := range []string{"web-1", "web-2"} {
		r.history.rollups = append(r.history.rollups, streams.Rollup{
			Stream: "server_metrics", Entity: entity, Minute: t0.Truncate(time.Minute), Events: 10, Scored: 10, Anomalies: int64(i), ScoreP50: &half,
			Features: []streams.FeatureRollup{{Name: "cpu", Min: float64(i), Mean: 10 * float64(i+1), Max: 50}},
		})
	}
	live := r.history.rollups[0]
	r.DeliverRollup(live)
	live.Events, live.Features = 14, []streams.FeatureRollup{{Name: "cpu", Mean: 20}}
	r.DeliverRollup(live)
	var got struct {
		Points []point
		Live   []slice
	}
	r.call(200, "GET", "/api/streams/server_metrics/series?minutes=5", "").decode(t, &got)
	p := got.Points
	if len(p) != 1 || p[0].Events != 20 || p[0].Anomalies != 1 || *p[0].ScoreP50 != 0.5 || p[0].Features[0].Mean != 15 || p[0].Features[0].Min != 0 {
		t.Errorf("got %+v", p)
	}
	if len(got.Live) != 2 || got.Live[1].Events != 4 || got.Live[1].Means["cpu"] != 45 {
		t.Errorf("got %+v, want a second slice of 4 events with mean (14*20-10*10)/4 = 45", got.Live)
	}
	for to, points := range map[time.Duration]int{0: 0, time.Minute: 1, 5 * time.Minute: 1, 6 * time.Minute: 0} {
		at := t0.Truncate(time.Minute).Add(to).Format(time.RFC3339)
		r.call(200, "GET", "/api/streams/server_metrics/series?minutes=5&to="+at, "").decode(t, &got)
		if len(got.Points) != points || len(got.Live) != 0 {
			t.Errorf("before %s: got %d points and %d live steps, want %d and none", at, len(got.Points), len(got.Live), points)
		}
	}
}

// TestHead answers like GET, without a body.
func TestHead(t *testing.T) {
	t.Parallel()
	r := seeded(t)
	for path, want := range map[string]int{"/": 200, "/api/anomalies": 200, "/nothing": 404, "/health": 200, "/openapi.json": 200} {
		a := r.call(want, "HEAD", path, "")
		if len(a.body) != 0 {
			t.Errorf("%s: got body %q", path, a.body)
		}
	}
}

// TestRequestID keeps a caller's id if it is harmless.
func TestRequestID(t *testing.T) {
	t.Parallel()
	r := serve(t, nil)
	for id, keep := range map[string]bool{"abc-123_X": true, "a b": false, strings.Repeat("a", 65): false, "<script>": false} {
		req, _ := http.NewRequestWithContext(t.Context(), "GET", r.base()+"/livez", nil)
		req.Header.Set("X-Request-Id", id)
		if got := r.do(req).Header.Get("X-Request-Id"); (got == id) != keep {
			t.Errorf("id %q: got %q", id, got)
		}
	}
}
