package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"anomalystream/internal/kafkatest"
	"anomalystream/streams"
)

const apiStreams = `  alpha: {features: [a, b], warmup: 20, window: 50}
  beta: {features: [a], warmup: 20, window: 50}
`

// client asks a running system.
type client struct {
	t   *testing.T
	url string
}

// call sends a request, expects a status, and decodes the answer into out unless that is nil.
func (c client) call(want int, method, path, body string, out any) {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.url+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	if res.StatusCode != want {
		c.t.Fatalf("%s %s: %s, want %d\n%s", method, path, res.Status, want, answer)
	}
	if out == nil {
		return
	}
	if err := json.Unmarshal(answer, out); err != nil {
		c.t.Fatalf("%s %s: %v\n%s", method, path, err, answer)
	}
}

// listing is a page of GET /api/anomalies.
type listing struct {
	Items      []streams.StoredAnomaly `json:"items"`
	Total      *int64                  `json:"total"`
	NextCursor *string                 `json:"next_cursor"`
}

func (l listing) ids() (out []string) {
	for _, a := range l.Items {
		out = append(out, a.ID)
	}
	return out
}

// list asks for anomalies.
func (c client) list(query string) (l listing) {
	c.t.Helper()
	c.call(http.StatusOK, "GET", "/api/anomalies?"+query, "", &l)
	return l
}

// awaitReady waits until the system says that every part of it is ready.
func (c client) awaitReady() {
	c.t.Helper()
	kafkatest.Eventually(c.t, kafkatest.Deadline, func() error {
		res, err := http.Get(c.url + "/readyz")
		if err != nil {
			return err
		}
		defer res.Body.Close()
		if res.StatusCode != http.StatusOK {
			answer, _ := io.ReadAll(res.Body)
			return fmt.Errorf("GET /readyz: %s: %s", res.Status, answer)
		}
		return nil
	})
}

// awaitTotal waits until the store holds exactly n anomalies.
func (c client) awaitTotal(n int64) {
	c.t.Helper()
	kafkatest.Eventually(c.t, kafkatest.Deadline, func() error {
		if got := c.list("limit=1000"); *got.Total != n {
			return fmt.Errorf("%d anomalies are stored, want %d", *got.Total, n)
		}
		return nil
	})
}

// someAnomaly makes anomaly i of a set that every filter splits.
func someAnomaly(i int) streams.Anomaly {
	stream := []string{"alpha", "beta"}[i%3%2]
	position := streams.Position{Topic: stream, Partition: int32(i % 2), Offset: int64(i)}
	at := time.Date(2026, 1, 2, 3, i, 0, 0, time.UTC)
	a := streams.Anomaly{
		ID: position.AnomalyID(stream), Stream: stream, Entity: fmt.Sprintf("host/%d", i%5), Timestamp: at, Kind: streams.KindModel,
		Score: 0.6 + float64(i*7%60)/200, Severity: float64(i * 11 % 30), AlertScore: 2, Features: map[string]float64{"a": float64(i)},
		Votes: 1 + i%2, Voters: 2, Needed: 1, Source: position,
		Detectors: []streams.DetectorVote{{Name: "iforest", Score: 0.7, Vote: true}, {Name: "lof", Score: 0.5 + 0.2*float64(i%2), Vote: i%2 == 1}},
		Why:       streams.Explanation{Sentence: "a is odd.", Contributions: []streams.Contribution{{Feature: "a", Share: 1}}, Generation: 1, TrainedFrom: at, TrainedTo: at},
	}
	if i%7 == 0 {
		a.Kind = streams.KindRule
	}
	return a
}

// publishAnomalies writes anomalies first to last, as detection does.
func (w *world) publishAnomalies(first, last int) (ids []string) {
	w.t.Helper()
	for i := first; i < last; i++ {
		a := someAnomaly(i)
		value, err := json.Marshal(a)
		if err != nil {
			w.t.Fatal(err)
		}
		w.kafka.Produce(&kgo.Record{Topic: w.topics.Anomalies(), Partition: int32(i % 2), Key: []byte(a.Stream + "/" + a.Entity), Value: value})
		ids = append(ids, a.ID)
	}
	return ids
}

// TestAPIList asks the API over a real store for anomalies by every filter, in every order, and by both ways of paging.
func TestAPIList(t *testing.T) {
	t.Parallel()
	w := newWorld(t, apiStreams)
	w.must("topics", "create")
	c := client{t, w.start("run").url()}
	const n = 60
	w.publishAnomalies(0, n)
	c.awaitTotal(n)

	minute := func(i int) string { return url.QueryEscape(someAnomaly(i).Timestamp.Format(time.RFC3339)) }
	for query, keep := range map[string]func(a *streams.Anomaly) bool{
		"stream=alpha":       func(a *streams.Anomaly) bool { return a.Stream == "alpha" },
		"stream=nosuch":      func(*streams.Anomaly) bool { return false },
		"entity=host%2F3":    func(a *streams.Anomaly) bool { return a.Entity == "host/3" },
		"entity=host%25":     func(*streams.Anomaly) bool { return false },
		"min_score=0.75":     func(a *streams.Anomaly) bool { return a.Score >= 0.75 },
		"max_score=0.75":     func(a *streams.Anomaly) bool { return a.Score <= 0.75 },
		"min_severity=12":    func(a *streams.Anomaly) bool { return a.Severity >= 12 },
		"min_votes=2":        func(a *streams.Anomaly) bool { return a.Votes >= 2 },
		"detector=lof":       func(a *streams.Anomaly) bool { return a.Detectors[1].Vote },
		"detector=iforest":   func(*streams.Anomaly) bool { return true },
		"kind=rule":          func(a *streams.Anomaly) bool { return a.Kind == streams.KindRule },
		"from=" + minute(20): func(a *streams.Anomaly) bool { return a.Source.Offset >= 20 },
		"to=" + minute(20):   func(a *streams.Anomaly) bool { return a.Source.Offset < 20 },
		"stream=beta&entity=host%2F1&from=" + minute(5) + "&to=" + minute(55) + "&min_score=0.61&detector=iforest": func(a *streams.Anomaly) bool {
			return a.Stream == "beta" && a.Entity == "host/1" && a.Source.Offset >= 5 && a.Source.Offset < 55 && a.Score >= 0.61
		},
	} {
		var want []string
		for i := n - 1; i >= 0; i-- {
			if a := someAnomaly(i); keep(&a) {
				want = append(want, a.ID)
			}
		}
		if got := c.list(query + "&limit=1000"); !slices.Equal(got.ids(), want) || *got.Total != int64(len(want)) {
			t.Errorf("%s: got %d of %d: %v, want %v", query, len(got.Items), *got.Total, got.ids(), want)
		}
	}

	for sort, before := range map[string]func(a, b *streams.StoredAnomaly) bool{
		"newest":   func(a, b *streams.StoredAnomaly) bool { return a.Timestamp.After(b.Timestamp) },
		"oldest":   func(a, b *streams.StoredAnomaly) bool { return a.Timestamp.Before(b.Timestamp) },
		"score":    func(a, b *streams.StoredAnomaly) bool { return a.Score >= b.Score },
		"severity": func(a, b *streams.StoredAnomaly) bool { return a.Severity >= b.Severity },
	} {
		all := c.list("limit=1000&sort=" + sort)
		for i := 1; i < len(all.Items); i++ {
			if !before(&all.Items[i-1], &all.Items[i]) {
				t.Errorf("sort=%s: %s stands before %s", sort, all.Items[i-1].ID, all.Items[i].ID)
			}
		}
		var byCursor, byOffset []string
		for page := c.list("limit=7&sort=" + sort); ; page = c.list("limit=7&sort=" + sort + "&cursor=" + url.QueryEscape(*page.NextCursor)) {
			byCursor = append(byCursor, page.ids()...)
			if page.NextCursor == nil || len(byCursor) > n {
				break
			}
		}
		for offset := 0; offset < n; offset += 7 {
			byOffset = append(byOffset, c.list(fmt.Sprintf("limit=7&sort=%s&offset=%d", sort, offset)).ids()...)
		}
		if len(all.Items) != n || !slices.Equal(byCursor, all.ids()) || !slices.Equal(byOffset, all.ids()) {
			t.Errorf("sort=%s: %d at once, by cursor %v, by offset %v", sort, len(all.Items), byCursor, byOffset)
		}
	}

	var one listing
	c.call(http.StatusOK, "GET", "/api/anomalies/stream/beta?limit=1000", "", &one)
	if got, want := one.ids(), c.list("stream=beta&limit=1000").ids(); !slices.Equal(got, want) || len(got) == 0 {
		t.Errorf("of stream beta: got %v, want %v", got, want)
	}
	c.delete()
}

// delete removes an anomaly, which is then gone from everything but the audit.
func (c client) delete() {
	c.t.Helper()
	id := someAnomaly(8).ID
	before := *c.list("limit=1000").Total
	c.call(http.StatusOK, "GET", "/api/anomalies/"+id, "", &streams.StoredAnomaly{})
	c.call(http.StatusNoContent, "DELETE", "/api/anomalies/"+id, "", nil)
	c.call(http.StatusNotFound, "GET", "/api/anomalies/"+id, "", nil)
	c.call(http.StatusNotFound, "DELETE", "/api/anomalies/"+id, "", nil)
	if got := c.list("limit=1000"); slices.Contains(got.ids(), id) || *got.Total != before-1 {
		c.t.Errorf("%d anomalies after the deletion, want %d", *got.Total, before-1)
	}
	var audit json.RawMessage
	c.call(http.StatusOK, "GET", "/api/audit", "", &audit)
	if !strings.Contains(string(audit), id) {
		c.t.Errorf("the audit does not know the deletion of %s: %s", id, audit)
	}
}

// TestAPIEvents sends events over the API, scores one, and changes the rate; the changes reach the detectors.
func TestAPIEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t, apiStreams)
	w.must("topics", "create")
	c := client{t, w.start("run").url()}
	c.awaitReady()
	event := func(i int) string { return fmt.Sprintf(`{"a":%d,"b":%g}`, i%7, 1+float64(i%5)/10) }
	var events []string
	for i := range 60 {
		events = append(events, event(i))
	}
	c.call(http.StatusAccepted, "POST", "/api/streams/alpha/events?key=k", "["+strings.Join(events, ",")+"]", nil)
	w.awaitSeen(map[string]int64{"alpha": 60})

	var usual, odd struct {
		Phase   string
		Score   *float64
		Anomaly bool
	}
	c.call(http.StatusOK, "POST", "/api/streams/alpha/score?entity=k", `{"a":3,"b":1.2}`, &usual)
	c.call(http.StatusOK, "POST", "/api/streams/alpha/score?entity=k", `{"a":900,"b":-80}`, &odd)
	if usual.Score == nil || odd.Score == nil || usual.Anomaly || !odd.Anomaly || *odd.Score <= *usual.Score {
		t.Errorf("a usual event scores %+v, an odd one %+v", usual, odd)
	}
	w.awaitLatest(map[string]int64{"alpha": 60}) // Scoring counts nothing.

	var stats struct {
		Streams []struct {
			Stream        string
			Seen          int64
			RequestedRate float64 `json:"requested_rate"`
		}
	}
	kafkatest.Eventually(t, kafkatest.Deadline, func() error { // The view may be behind the topic.
		if c.call(http.StatusOK, "GET", "/api/stats", "", &stats); stats.Streams[0].Seen != 60 {
			return fmt.Errorf("statistics %+v", stats)
		}
		return nil
	})
	c.call(http.StatusOK, "PATCH", "/api/streams/alpha", `{"requested_rate":0.07}`, nil)
	kafkatest.Eventually(t, kafkatest.Deadline, func() error {
		c.call(http.StatusAccepted, "POST", "/api/streams/alpha/events?key=k", event(1), nil)
		var status streams.DetectorStatus
		c.call(http.StatusOK, "GET", "/api/streams/alpha/detectors/k", "", &status)
		c.call(http.StatusOK, "GET", "/api/stats", "", &stats)
		if status.RequestedRate != 0.07 || stats.Streams[0].RequestedRate != 0.07 || stats.Streams[0].Seen < 61 {
			return fmt.Errorf("detector's rate %g, statistics %+v", status.RequestedRate, stats)
		}
		return nil
	})
	c.call(http.StatusOK, "DELETE", "/api/streams/alpha/requested-rate", "", nil)
	kafkatest.Eventually(t, kafkatest.Deadline, func() error {
		c.call(http.StatusAccepted, "POST", "/api/streams/alpha/events?key=k", event(1), nil)
		var status streams.DetectorStatus
		c.call(http.StatusOK, "GET", "/api/streams/alpha/detectors/k", "", &status)
		if status.RequestedRate != 0.01 {
			return fmt.Errorf("detector's rate %g, that of the configuration is 0.01", status.RequestedRate)
		}
		return nil
	})
}
