package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"anomalystream/internal/kafkatest"
	"anomalystream/streams"
)

// awaitRoutes waits until the groups have noted where they start: what was written before counts as history.
func (w *world) awaitRoutes() {
	w.t.Helper()
	kafkatest.Eventually(w.t, kafkatest.Deadline, func() error {
		if n := len(w.kafka.Committed(w.topics.NotifyJournalGroup(), w.topics.Incidents())); n < 2 {
			return fmt.Errorf("the start of %d partitions is noted", n)
		}
		return nil
	})
}

// TestRunNotify takes an incident by the routes of a configuration to their receivers: one takes it, one never will.
func TestRunNotify(t *testing.T) {
	t.Parallel()
	type received struct {
		Title, Link  string
		Notification streams.Notification
	}
	requests := make(chan received, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/team" {
			http.Error(w, "no such channel", http.StatusNotFound)
			return
		}
		var got received
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil || r.Header.Get("Idempotency-Key") != got.Notification.Key {
			t.Errorf("the body is no message: %v", err)
		}
		requests <- got
	}))
	defer server.Close()
	// What it says of a request it repeats, as error pages do.
	echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status := http.StatusForbidden
		if strings.HasPrefix(r.URL.Path, "/geheim-later") {
			status = http.StatusInternalServerError
		}
		http.Error(w, "cannot POST "+r.URL.String()+" with "+r.Header.Get("Authorization"), status)
	}))
	defer echo.Close()
	secret := strings.Replace(echo.URL, "http://", "http://robot:geheim42@", 1)
	w := newWorld(t, apiStreams+fmt.Sprintf(`
notify:
  link: https://as.example.com
  routes:
    team: {kind: webhook, url_file: %q, group_wait: 0, title: "{{.Event}} {{.Entity}}", match: {streams: [alpha]}}
    gone: {kind: webhook, url_file: %q, group_wait: 0, on: [opened]}
    no: {kind: webhook, url_file: %q, group_wait: 0, on: [opened]}
    later: {kind: alertmanager, url_file: %q, group_wait: 0, on: [opened]}
    mail: {kind: email, url_file: %q, group_wait: 0, on: [opened], timeout: 1s}
`, writeFile(t, server.URL+"/team\n"), writeFile(t, server.URL+"/gone\n"), writeFile(t, secret+"/geheim-no?token=geheim-token\n"),
		writeFile(t, secret+"/geheim-later\n"), writeFile(t, strings.Replace(secret, "http:", "smtp:", 1)+"/?from=a@example.com&to=b@example.com&tls=none\n")))
	w.must("topics", "create")
	run := w.start("run", "--roles", "incidents,api")
	c := client{t, run.url()}
	c.awaitReady()
	w.awaitRoutes()
	incident := &streams.Incident{
		ID: "alpha-0-0", Revision: 1, Change: streams.ChangeOpened, Stream: "alpha", Entity: "host/0", Kind: streams.KindModel,
		Status: streams.StatusOpen, Start: time.Now().UTC(), Sentence: "a is odd.",
	}
	w.publishIncident(incident)
	incident.Revision, incident.Change, incident.Status = 2, streams.ChangeRecovered, streams.StatusRecovered
	w.publishIncident(incident)
	for _, want := range []string{streams.NotifyOpened, streams.NotifyRecovered} {
		select {
		case got := <-requests:
			if got.Notification.Event != want || got.Title != want+" host/0" || got.Link != "https://as.example.com/#/incidents/alpha-0-0" || got.Notification.Incident.ID != incident.ID {
				t.Errorf("got %+v, want the message %s", got, want)
			}
		case <-time.After(kafkatest.Deadline):
			t.Fatalf("the message %s did not come", want)
		}
	}
	kafkatest.Eventually(t, kafkatest.Deadline, func() error {
		list := w.must("dead-letters", "list", "--stage", "notify")
		if !strings.Contains(list, "undelivered") || !strings.Contains(list, "route gone: the receiver answered 404 Not Found: no such channel") || !strings.Contains(list, "2 dead letters") {
			return fmt.Errorf("the dead letters are\n%s", list)
		}
		for _, route := range []string{"no", "later", "mail"} {
			if strings.Contains(c.text("/metrics"), `anomalystream_notify_failed_attempts_total{route="`+route+`"} 0`) {
				return fmt.Errorf("the route %s has not failed yet", route)
			}
		}
		if !strings.Contains(run.stderr.String(), "500 Internal Server Error") {
			return fmt.Errorf("the failures are told nowhere: %s", run.stderr.String())
		}
		text := c.text("/metrics") // A message is counted after its receiver has answered.
		for _, want := range []string{
			`anomalystream_notify_planned_total{event="opened",route="team"} 1`, `anomalystream_notify_delivered_total{route="team"} 2`,
			`anomalystream_notify_undelivered_total{route="gone"} 1`, `anomalystream_notify_oldest_undelivered_seconds{route="team"} 0`,
		} {
			if !strings.Contains(text, want) {
				return fmt.Errorf("the metrics lack %s", want)
			}
		}
		return nil
	})
	seen := map[string]string{
		"log": run.stderr.String(), "dead letters": w.must("dead-letters", "list", "--stage", "notify"),
		"validate": w.must("validate"), "validate --output json": w.must("validate", "--output", "json"),
	}
	for _, path := range []string{"/metrics", "/readyz", "/healthz", "/openapi.json", "/", "/api/streams", "/api/streams/alpha", "/api/audit", "/api/me", "/api/stats", "/api/maintenance", "/api/incidents"} {
		seen[path] = c.text(path)
	}
	for _, letter := range w.deadLetters() {
		seen["dead letter"] += letter.Reason + string(letter.Value)
	}
	for where, text := range seen {
		if strings.Contains(text, "geheim") || strings.Contains(text, "cm9ib3Q6Z2VoZWltNDI") {
			t.Errorf("%s shows the address of a route: %s", where, text)
		}
	}
	if !strings.Contains(seen["dead letter"], "403 Forbidden: cannot POST") {
		t.Errorf("the dead letters do not tell the refusal: %s", seen["dead letter"])
	}
}

// text returns what a path answers.
func (c client) text(path string) string {
	c.t.Helper()
	response, err := http.Get(c.url + path)
	if err != nil {
		c.t.Fatal(err)
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return string(b)
}
