package api

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"anomalystream/streams"
)

// burst is the topic of incidents and the sink behind it.
type burst struct {
	store  *fakeIncidents
	offset int64
	newest map[string]int64 // Revision by incident.
}

func newBurst(r *rig) *burst { return &burst{store: r.incidents, newest: map[string]int64{}} }

// revise writes the next revision of incident number n: to the store at this time, and to the servers.
func (b *burst) revise(t *testing.T, n int, stored time.Time, servers ...*Server) streams.Incident {
	t.Helper()
	i := incidentOf(anomaly("server_metrics", fmt.Sprintf("web-%d", n), int64(n), 0.9), streams.StatusOpen)
	i.Revision = b.newest[i.ID] + 1
	b.newest[i.ID] = i.Revision
	b.store.add(i, stored)
	for _, s := range servers {
		if err := s.DeliverIncident(i, 0, b.offset, time.Now()); err != nil {
			t.Error(err)
		}
	}
	b.offset++
	return i
}

// revisions is a message of the live routes of incidents.
type revisions struct {
	Seq    uint64
	Type   string
	Cursor string
	Resume string
	Reason string
	Items  []streams.Incident
}

// dialIncidents opens a WebSocket of incidents.
func (r *rig) dialIncidents(query string) *websocket.Conn {
	r.t.Helper()
	return r.dialPath("/ws/incidents" + query)
}

// nextRevisions reads one frame.
func nextRevisions(t testing.TB, c *websocket.Conn) (out revisions) {
	t.Helper()
	if err := c.ReadJSON(&out); err != nil {
		t.Fatalf("reading a frame: %v", err)
	}
	return out
}

// awaitRevisions reads frames until n items came.
func (r *rig) awaitRevisions(c *websocket.Conn, n int) (out []streams.Incident) {
	r.t.Helper()
	for len(out) < n {
		out = append(out, nextRevisions(r.t, c).Items...)
	}
	return out
}

// TestIncidentsLive pushes revisions over every way out, by filter; clients of anomalies see nothing of it.
func TestIncidentsLive(t *testing.T) {
	t.Parallel()
	r := serve(t, func(c *Config, _ *Deps) { c.Heartbeat = 20 * time.Millisecond })
	b := newBurst(r)
	alerts, all, mild, single := r.dial(""), r.dialIncidents(""), r.dialIncidents("?min_severity=20&entity=web-1"), r.dialIncidents("?batch=false")
	hello := readHello(t, alerts)
	for _, c := range []*websocket.Conn{all, mild} {
		if f := nextRevisions(t, c); f.Type != frameHello || f.Resume != resumeLive || f.Cursor == "" || f.Items == nil {
			t.Fatalf("hello: %+v", f)
		}
	}
	read, _ := r.pathStreamOf("/api/incidents/live?stream=server_metrics", "")
	if e, err := read(); err != nil || e.kind != frameHello {
		t.Fatalf("events: %+v, %v", e, err)
	}
	want := b.revise(t, 1, time.Now(), r.Server)
	again := want // Redelivered.
	if err := r.DeliverIncident(again, 0, 0, time.Now()); err != nil {
		t.Error(err)
	}
	b.revise(t, 1, time.Now(), r.Server)
	got := r.awaitRevisions(all, 2)
	if got[0].Revision != 1 || got[1].Revision != 2 || got[0].ID != want.ID || got[0].Peak == nil || got[0].Acts == nil {
		t.Errorf("all: %+v", got)
	}
	for rev := range int64(2) {
		e, err := read()
		var i streams.Incident
		if err != nil || json.Unmarshal([]byte(e.data), &i) != nil || i.Revision != rev+1 || !strings.HasSuffix(e.id, fmt.Sprintf(".%s@%d", want.ID, rev+1)) {
			t.Errorf("event %d: %+v, %v", rev, e, err)
		}
		var one streams.Incident
		if err := single.ReadJSON(&one); err != nil || one.Revision != rev+1 {
			t.Errorf("single %d: %+v, %v", rev, one, err)
		}
	}
	for range 3 { // Heartbeats only.
		if f := nextRevisions(t, mild); len(f.Items) > 0 {
			t.Errorf("a filter let %+v through", f.Items)
		}
		if f := next(t, alerts); f.Seq != hello.Seq+1 || f.Type != frameHeartbeat {
			t.Errorf("a client of anomalies got %+v after %d", f, hello.Seq)
		} else {
			hello = f
		}
	}
	for _, path := range []string{"/api/incidents/live", "/ws/incidents"} {
		for _, query := range []string{"?include=rollups", "?since=server_metrics-0-1", "?since=@1", "?since=x@0", "?since=x@y", "?stream=nothing", "?min_score=2", "?kind=model"} {
			r.call(422, "GET", path+query, "")
		}
	}
	none := serve(t, func(_ *Config, d *Deps) { d.Incidents = nil })
	none.call(501, "GET", "/ws/incidents", "")
	none.call(501, "GET", "/api/incidents/live", "")
	if err := none.DeliverIncident(want, 0, 0, time.Now()); err != nil {
		t.Error(err)
	}
}

// TestIncidentBeforeTheStore reads and acknowledges an incident that was told and is not stored yet.
func TestIncidentBeforeTheStore(t *testing.T) {
	t.Parallel()
	r := serve(t, nil)
	i := streams.Incident{ID: "server_metrics-0-77", Revision: 1, Stream: "server_metrics", Entity: "web-1", Kind: streams.KindModel, Status: streams.StatusOpen, Start: t0, Latest: t0, Sentence: "first"}
	for rev, text := range []string{"first", "second"} {
		i.Revision, i.Sentence = int64(rev+1), text
		if err := r.DeliverIncident(i, 0, int64(rev), t0); err != nil {
			t.Fatal(err)
		}
	}
	var got streams.StoredIncident
	r.call(200, "GET", "/api/incidents/"+i.ID, "").decode(t, &got)
	if got.Revision != 2 || got.Sentence != "second" || got.Features == nil || got.CreatedAt.IsZero() {
		t.Errorf("got %+v, want its second revision", got)
	}
	r.call(200, "GET", "/api/incidents/"+i.ID+"/anomalies", "")
	r.call(202, "POST", "/api/incidents/"+i.ID+"/acknowledge", `{}`)
	r.call(404, "GET", "/api/incidents/server_metrics-0-78", "")
}

// TestIncidentsResume lets clients go and come back, to the same server and to one that starts later.
func TestIncidentsResume(t *testing.T) {
	t.Parallel()
	one := serve(t, nil)
	b := newBurst(one)
	c := one.dialIncidents("")
	nextRevisions(t, c)
	long := time.Now().Add(-time.Hour)
	for n := range 5 {
		b.revise(t, n, long.Add(time.Duration(n)*time.Minute), one.Server) // The store has them for long.
	}
	var cursor string
	for n := 0; n < 5; {
		f := nextRevisions(t, c)
		n += len(f.Items)
		cursor = f.Cursor
	}
	had := "server_metrics-0-4@1"
	missed := map[string]int64{}
	for _, n := range []int{2, 7, 2} {
		i := b.revise(t, n, time.Now(), one.Server)
		missed[i.ID] = i.Revision
	}
	read := func(r *rig, since, resume string) map[string]int64 {
		t.Helper()
		c := r.dialIncidents("?since=" + url.QueryEscape(since))
		hello := nextRevisions(t, c)
		if hello.Resume != resume {
			t.Errorf("since %q: resume %s, want %s", since, hello.Resume, resume)
		}
		i := b.revise(t, 99, long, r.Server) // Live, after everything that was missed.
		got := map[string]int64{}
		for {
			for _, x := range nextRevisions(t, c).Items {
				if x.ID == i.ID && x.Revision == i.Revision {
					delete(got, i.ID)
					return got
				}
				if x.Revision <= got[x.ID] {
					t.Errorf("since %q: %s@%d after %d", since, x.ID, x.Revision, got[x.ID])
				}
				got[x.ID] = x.Revision
			}
		}
	}
	check := func(name string, got map[string]int64) {
		t.Helper()
		if !maps.Equal(got, missed) {
			t.Errorf("%s: got %v, want %v", name, got, missed)
		}
	}
	check("cursor", read(one, cursor, resumeMemory))
	check("id", read(one, had, resumeMemory))
	two := serve(t, func(_ *Config, d *Deps) { d.Incidents = b.store })
	check("cursor, from the store", read(two, cursor, resumeStore))
	check("id, from the store", read(two, had, resumeStore))
	// The last one that the client has had changes too: when it had it, only a cursor tells.
	missed[b.revise(t, 4, time.Now(), two.Server).ID] = 2
	three := serve(t, func(_ *Config, d *Deps) { d.Incidents = b.store })
	check("cursor, the last one changed", read(three, cursor, resumeStore))
	got := read(three, had, resumeStore)
	for id, revision := range missed {
		if got[id] != revision {
			t.Errorf("id, the last one changed: %v, want at least %v", got, missed)
		}
	}
	gone := two.dialIncidents("?since=nobody@3")
	if f := nextRevisions(t, gone); f.Resume != resumePartial {
		t.Errorf("an unknown incident: %+v", f)
	}
	if f := nextRevisions(t, gone); f.Type != frameGap || f.Reason != "the incident to resume after is not known" {
		t.Errorf("an unknown incident: %+v", f)
	}
}

// TestIncidentsNoGap reconnects clients all the time while incidents change, with a memory so small that the store has to fill
// holes: in the end each client has the newest revision of every incident.
func TestIncidentsNoGap(t *testing.T) {
	t.Parallel()
	r := serve(t, func(c *Config, _ *Deps) {
		c.FeedHistory, c.FlushEvery, c.Reconcile, c.Heartbeat = 60, time.Millisecond, 5*time.Millisecond, 3*time.Millisecond
	})
	b := newBurst(r)
	start := r.dialIncidents("")
	first := nextRevisions(t, start).Cursor
	done := make(chan struct{})
	results := make(chan map[string]int64, 3)
	for k := range 3 {
		go func() {
			got, since, rnd := map[string]int64{}, first, rand.New(rand.NewPCG(2, uint64(k)))
			defer func() { results <- got }()
			for last := false; !last && !t.Failed(); {
				select {
				case <-done:
					last = true // One connection more, to the end.
				default:
				}
				since = r.readRevisions(since, rnd.IntN(60), got, last)
			}
		}()
	}
	rnd := rand.New(rand.NewPCG(1, 1))
	for k := range 1500 {
		if rnd.IntN(20) == 0 {
			b.revise(t, rnd.IntN(80), time.Now()) // Only the store brings it.
		} else {
			b.revise(t, rnd.IntN(80), time.Now(), r.Server)
		}
		if k%20 == 0 {
			time.Sleep(2 * time.Millisecond) // Spreads the load over many flushes; nothing is waited for.
		}
	}
	feed := r.bursts.feed
	eventually(t, "the store's last ones", func() bool {
		feed.mu.Lock()
		defer feed.mu.Unlock()
		for id, revision := range b.newest {
			if _, ok := feed.seen[fmt.Sprintf("%s@%d", id, revision)]; !ok {
				return false
			}
		}
		return true
	})
	close(done)
	for range 3 {
		select {
		case got := <-results:
			if !maps.Equal(got, b.newest) {
				t.Errorf("got %v\nwant %v", got, b.newest)
			}
		case <-time.After(patience):
			t.Fatal("a client did not get everything")
		}
	}
}

// readRevisions connects, keeps the newest revisions until n came or, for the last time, the feed is quiet, and returns where
// to go on.
func (r *rig) readRevisions(since string, n int, got map[string]int64, last bool) string {
	c, res, err := websocket.DefaultDialer.Dial("ws://"+r.Addr()+"/ws/incidents?since="+url.QueryEscape(since), nil)
	if err != nil {
		r.t.Errorf("since %q: %v", since, err)
		return since
	}
	_ = res.Body.Close()
	defer c.NetConn().Close()
	_ = c.SetReadDeadline(time.Now().Add(patience))
	for beats, have := 0, 0; (last || have < n) && beats < 4; {
		var f revisions
		if err := c.ReadJSON(&f); err != nil {
			r.t.Errorf("since %q: %v", since, err)
			return since
		}
		switch f.Type {
		case frameGap:
			r.t.Errorf("since %q: gap: %s", since, f.Reason)
		case frameHeartbeat:
			beats++
		}
		for _, i := range f.Items {
			got[i.ID] = max(got[i.ID], i.Revision)
			have++
		}
		if f.Cursor != "" {
			since = f.Cursor
		}
	}
	return since
}
