package main

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/twmb/franz-go/pkg/kgo"

	"anomalystream/internal/kafkatest"
	"anomalystream/streams"
)

// publishIncident writes a revision, as the incidents group does.
func (w *world) publishIncident(i *streams.Incident) {
	w.t.Helper()
	value, err := streams.MarshalIncident(i)
	if err != nil {
		w.t.Fatal(err)
	}
	w.kafka.Produce(&kgo.Record{Topic: w.topics.Incidents(), Partition: streams.Partition([]byte(i.Key()), 2), Key: []byte(i.Key()), Value: value})
}

// deleteIncident writes the tombstone of an incident, as the incidents group does.
func (w *world) deleteIncident(id string) {
	w.t.Helper()
	w.kafka.Produce(&kgo.Record{Topic: w.topics.Incidents(), Partition: streams.Partition([]byte(id), 2), Key: []byte(id)})
}

// TestAPIIncidents takes incidents through the sink and the live routes, and what people say of them to the feedback topic and
// back.
func TestAPIIncidents(t *testing.T) {
	t.Parallel()
	w := newWorld(t, apiStreams)
	w.must("topics", "create")
	c := client{t, w.start("run", "--roles", "sink,api").url()}
	c.awaitReady()
	socket, res, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(c.url, "http")+"/ws/incidents", nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	defer socket.Close()
	_ = socket.SetReadDeadline(time.Now().Add(kafkatest.Deadline))

	w.kafka.Produce(&kgo.Record{Topic: w.topics.Incidents(), Key: []byte("x"), Value: []byte(`{"id":`)}, &kgo.Record{Topic: w.topics.Incidents(), Key: []byte("x")})
	at := time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)
	peak := someAnomaly(4)
	incident := func(id, entity, group string, revision int64) *streams.Incident {
		return &streams.Incident{
			ID: id, Revision: revision, Change: streams.ChangeOpened, Stream: "alpha", Entity: entity, Kind: streams.KindModel, Status: streams.StatusOpen, Group: group,
			Start: at, Latest: at.Add(time.Hour), Anomalies: revision, Peak: &peak, PeakSeverity: 4, Sentence: "a is odd.",
		}
	}
	group := incident("group-1", "", "", 1)
	group.Kind = streams.KindGroup
	for _, i := range []*streams.Incident{incident("alpha-0-0", "host/0", "", 2), incident("alpha-0-0", "host/0", "", 1), group, incident("alpha-1-1", "host/1", "group-1", 1), incident("alpha-1-2", "host/2", "group-1", 1)} {
		w.publishIncident(i)
	}
	w.deleteIncident("alpha-1-2") // The store keeps it, and whoever was told.
	w.publishAnomalies(0, 10)
	seen := map[string]int64{}
	for len(seen) < 4 || seen["alpha-0-0"] < 2 {
		var frame struct{ Items []streams.Incident }
		if err := socket.ReadJSON(&frame); err != nil {
			t.Fatalf("the WebSocket brought %v: %v", seen, err)
		}
		for _, i := range frame.Items {
			seen[i.ID] = max(seen[i.ID], i.Revision)
		}
	}
	var list struct{ Items []streams.StoredIncident }
	kafkatest.Eventually(t, kafkatest.Deadline, func() error {
		if c.call(http.StatusOK, "GET", "/api/incidents?status=open", "", &list); len(list.Items) != 4 || *c.list("").Total != 10 {
			return fmt.Errorf("%d incidents are stored", len(list.Items))
		}
		return nil
	})
	var one streams.StoredIncident
	if c.call(http.StatusOK, "GET", "/api/incidents/alpha-0-0", "", &one); one.Revision != 2 || one.Anomalies != 2 {
		t.Errorf("stored: %+v", one)
	}
	var anomalies listing
	if c.call(http.StatusOK, "GET", "/api/incidents/group-1/anomalies", "", &anomalies); len(anomalies.Items) == 0 {
		t.Error("the group has no anomalies")
	}
	for _, a := range anomalies.Items {
		if a.Stream != "alpha" || a.Entity != "host/1" && a.Entity != "host/2" {
			t.Errorf("%s of %s is not an anomaly of the group", a.ID, a.Entity)
		}
	}
	kafkatest.Eventually(t, kafkatest.Deadline, func() error { // Another partition than that of the incidents.
		if letters := w.deadLetters(); len(letters) != 1 || letters[0].Code != streams.CodeNotJSON || letters[0].Source.Topic != w.topics.Incidents() {
			return fmt.Errorf("dead letters: %+v", letters)
		}
		return nil
	})
	c.judge(w)
}

// judge gives a verdict on the group and takes it back.
func (c client) judge(w *world) {
	c.t.Helper()
	c.call(http.StatusAccepted, "POST", "/api/incidents/alpha-0-0/acknowledge", `{"comment":"mine"}`, nil)
	var given struct {
		ID    string
		Parts int
	}
	c.call(http.StatusAccepted, "POST", "/api/incidents/group-1/verdict", `{"verdict":"expected"}`, &given)
	c.call(http.StatusAccepted, "DELETE", "/api/verdicts/"+given.ID, "", nil) // At once: the store does not have it yet.
	c.call(http.StatusConflict, "DELETE", "/api/verdicts/"+given.ID, "", nil)
	c.call(http.StatusAccepted, "POST", "/api/incidents/alpha-0-0/verdict", `{"verdict":"real","for_hours":24}`, nil)

	partitions := map[string]int32{}
	var said []string
	for _, r := range w.kafka.ReadAll(w.topics.Feedback()) {
		f, err := streams.UnmarshalFeedback(r.Value)
		if err != nil || string(r.Key) != f.Key() || f.Who != "anonymous" {
			c.t.Fatalf("feedback %q: %+v, %v", r.Key, f, err)
		}
		if p, ok := partitions[f.Entity]; ok && p != r.Partition {
			c.t.Errorf("feedback of %q is on partitions %d and %d", f.Entity, p, r.Partition)
		}
		partitions[f.Entity] = r.Partition
		said = append(said, f.Action+" "+f.Entity)
	}
	slices.Sort(said)
	want := []string{"acknowledge host/0", "verdict ", "verdict host/0", "verdict host/1", "verdict host/2", "withdraw ", "withdraw host/1", "withdraw host/2"}
	if !slices.Equal(said, want) || given.Parts != 2 {
		c.t.Errorf("said: %q, want %q; %d parts", said, want, given.Parts)
	}
	kafkatest.Eventually(c.t, kafkatest.Deadline, func() error {
		var verdicts struct{ Items []streams.StoredVerdict }
		c.call(http.StatusOK, "GET", "/api/verdicts", "", &verdicts)
		states := map[string]int{}
		for _, v := range verdicts.Items {
			states[v.State]++
		}
		if states[streams.VerdictInForce] != 1 || states[streams.VerdictWithdrawn] != 3 {
			return fmt.Errorf("verdicts: %v", states)
		}
		return nil
	})
	var stats struct {
		Streams []struct{ Precision *float64 }
	}
	kafkatest.Eventually(c.t, kafkatest.Deadline, func() error {
		if c.call(http.StatusOK, "GET", "/api/stats", "", &stats); stats.Streams[0].Precision == nil || *stats.Streams[0].Precision != 1 {
			return fmt.Errorf("statistics: %+v", stats)
		}
		return nil
	})
}
