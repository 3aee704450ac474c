//go:build e2e

package e2e

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"anomalystream/streams"
)

// incidentListener keeps the newest revision of each incident that the WebSocket pushes.
type incidentListener struct {
	t      *testing.T
	mu     sync.Mutex
	newest map[string]int64
}

func (s *installation) listenIncidents() *incidentListener {
	s.t.Helper()
	conn, _, err := websocket.DefaultDialer.Dial("ws://"+s.addr+"/ws/incidents", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	l := &incidentListener{t: s.t, newest: map[string]int64{}}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			var frame struct {
				Type  string             `json:"type"`
				Items []streams.Incident `json:"items"`
			}
			if err := conn.ReadJSON(&frame); err != nil {
				return
			}
			l.mu.Lock()
			for _, i := range frame.Items {
				if frame.Type != "incidents" || i.Revision < 1 {
					l.t.Errorf("a frame of type %q holds %s@%d", frame.Type, i.ID, i.Revision)
				}
				l.newest[i.ID] = max(l.newest[i.ID], i.Revision)
			}
			l.mu.Unlock()
		}
	}()
	s.t.Cleanup(func() { conn.Close(); <-done })
	return l
}

func (l *incidentListener) revisions() map[string]int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.newest)
}

// topicIncidents reads the newest revision of each incident.
func (s *installation) topicIncidents() map[string]streams.Incident {
	s.t.Helper()
	out := map[string]streams.Incident{}
	for _, m := range s.read(s.topics.Incidents()) {
		i, err := streams.UnmarshalIncident(m.Value)
		if err != nil {
			s.t.Fatalf("incident at %d/%d: %v", m.Partition, m.Offset, err)
		}
		if i.Revision >= out[i.ID].Revision {
			out[i.ID] = *i
		}
	}
	return out
}

// tableIncidents returns the revisions in Postgres by id.
func (s *installation) tableIncidents() map[string]int64 {
	s.t.Helper()
	db, err := sql.Open("pgx", s.dsn)
	if err != nil {
		s.t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Query(`SELECT id, revision FROM incidents`)
	if err != nil {
		s.t.Fatal(err)
	}
	defer rows.Close()
	out := map[string]int64{}
	for rows.Next() {
		var id string
		var revision int64
		if err := rows.Scan(&id, &revision); err != nil {
			s.t.Fatal(err)
		}
		out[id] = revision
	}
	if err := rows.Err(); err != nil {
		s.t.Fatal(err)
	}
	return out
}

// restIncidents pages through GET /api/incidents.
func (s *installation) restIncidents(query string) map[string]streams.StoredIncident {
	s.t.Helper()
	out := map[string]streams.StoredIncident{}
	for cursor := ""; ; {
		var page struct {
			Items []streams.StoredIncident `json:"items"`
			Next  string                   `json:"next_cursor"`
		}
		if status := s.call("GET", "/api/incidents?limit=100&cursor="+url.QueryEscape(cursor)+query, "", &page); status != http.StatusOK {
			s.t.Fatalf("GET /api/incidents: %d", status)
		}
		for _, i := range page.Items {
			out[i.ID] = i
		}
		if cursor = page.Next; cursor == "" {
			return out
		}
	}
}

// call sends a request, decodes a good answer into out unless that is nil, and returns the status.
func (s *installation) call(method, path, body string, out any) int {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, "http://"+s.addr+path, bytes.NewBufferString(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	if out != nil && res.StatusCode < 300 {
		if err := json.Unmarshal(answer, out); err != nil {
			s.t.Fatalf("%s %s: %v\n%s", method, path, err, answer)
		}
	}
	return res.StatusCode
}

// await polls until check returns nil.
func (s *installation) await(check func() error) {
	s.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(500 * time.Millisecond) {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			s.t.Error(err)
			return
		}
	}
}

// incidents follows incidents of the real detectors to the table, REST and the WebSocket, and what people say of them back to
// their topic.
func (s *installation) incidents(socket *incidentListener) {
	s.t.Helper()
	s.await(func() error {
		newest := map[string]int64{}
		for id, i := range s.topicIncidents() {
			newest[id] = i.Revision
		}
		rest := map[string]int64{}
		for id, i := range s.restIncidents("") {
			rest[id] = i.Revision
		}
		// They go on changing as time passes, so all four are looked at until they stand still for a moment.
		if table, pushed := s.tableIncidents(), socket.revisions(); len(newest) == 0 || !maps.Equal(newest, table) || !maps.Equal(newest, rest) || !maps.Equal(newest, pushed) {
			return fmt.Errorf("incidents: the topic has %d, the table %d, REST %d, the WebSocket %d, or other revisions of them", len(newest), len(table), len(rest), len(pushed))
		}
		return nil
	})
	acknowledged := s.say("open", "acknowledge", `{"comment":"on it"}`)
	judged := s.say("open,acknowledged", "verdict", `{"verdict":"real","comment":"seen by e2e"}`)
	if acknowledged == "" || judged == "" {
		s.t.Fatal("no incident is open to acknowledge and to judge")
	}
	s.await(func() error {
		topic := s.topicIncidents()
		a, j := topic[acknowledged], topic[judged]
		if !slices.ContainsFunc(a.Acts, func(act streams.IncidentAct) bool {
			return act.Action == streams.ActionAcknowledge && act.Comment == "on it" && act.Who == "anonymous"
		}) {
			return fmt.Errorf("the topic knows nothing of the acknowledgement: %+v", a)
		}
		if j.Verdict != streams.VerdictReal {
			return fmt.Errorf("the topic knows nothing of the verdict: %+v", j)
		}
		stored := s.restIncidents("&verdict=real")
		if i, ok := stored[judged]; !ok || i.Verdict != streams.VerdictReal {
			return fmt.Errorf("REST knows nothing of the verdict: %+v", stored)
		}
		if i := s.restIncidents("")[acknowledged]; i.AcknowledgedAt == nil {
			return fmt.Errorf("REST knows nothing of the acknowledgement: %+v", i)
		}
		var verdicts struct{ Items []streams.StoredVerdict }
		if s.call("GET", "/api/verdicts?incident="+url.QueryEscape(judged), "", &verdicts); len(verdicts.Items) != 1 || verdicts.Items[0].State != streams.VerdictInForce {
			return fmt.Errorf("verdicts: %+v", verdicts.Items)
		}
		return nil
	})
	kinds := map[string]int{}
	for _, i := range s.topicIncidents() {
		kinds[i.Kind+" "+i.Status]++
	}
	s.t.Logf("incidents: %v", kinds)
}

// say does something about one incident in one of these states and returns its id, "" where none takes it.
func (s *installation) say(status, action, body string) string {
	s.t.Helper()
	for id, i := range s.restIncidents("&status=" + url.QueryEscape(status)) {
		if i.Kind != streams.KindGroup && s.call("POST", "/api/incidents/"+url.PathEscape(id)+"/"+action, body, nil) == http.StatusAccepted {
			return id
		}
	}
	return ""
}
