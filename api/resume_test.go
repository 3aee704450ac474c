package api

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"anomalystream/streams"
)

// TestResume kills and reconnects clients all the time while anomalies come, some of them twice and some only through the
// store. Whatever a client keeps to resume with - the cursor, the last id, or a server-sent event's id - it gets each anomaly
// exactly once. The memory is small, so that the store fills holes too.
func TestResume(t *testing.T) {
	t.Parallel()
	const total, memory, lag = 1500, 160, 20
	r := serve(t, func(c *Config, _ *Deps) {
		c.FeedHistory, c.FlushEvery, c.Reconcile, c.Heartbeat = memory, time.Millisecond, 5*time.Millisecond, 3*time.Millisecond
	})
	k := &topic{history: r.history, lag: lag}
	clients := map[string]func(since string, until int) ([]string, string){
		"cursor": func(since string, n int) ([]string, string) { return r.readSome(since, n, false) },
		"id":     func(since string, n int) ([]string, string) { return r.readSome(since, n, true) },
		"events": r.readEvents,
	}
	results := make(chan func(), len(clients))
	start := r.dial("")
	first := readHello(t, start).Cursor
	k.produce(t, r.Server, anomaly("server_metrics", "web-1", 0, 0.9)) // So that there is an id to start from.
	started := k.ids()[0]
	for len(next(t, start).Items) == 0 { // Until it can be resumed from.
	}
	for name, read := range clients {
		go func() {
			since := first
			var got []string
			if name == "id" {
				since, got = started, []string{started}
			}
			rnd := rand.New(rand.NewPCG(1, uint64(len(name))))
			for len(got) <= total && !t.Failed() {
				ids, next := read(since, rnd.IntN(80))
				got = append(got, ids...)
				since = next
			}
			results <- func() { sameIDs(t, name, got, k.ids()) }
		}()
	}
	for i := int64(1); i < total; i++ {
		a := anomaly("server_metrics", fmt.Sprintf("web-%d", i%7), i, 0.9)
		k.produce(t, r.Server, a)
		if i%10 == 0 { // Kafka delivers at least once.
			if err := r.DeliverAnomaly(a, 0, i, time.Now()); err != nil {
				t.Error(err)
			}
		}
		if i%20 == 0 {
			time.Sleep(2 * time.Millisecond) // Spreads the load over many flushes; nothing is waited for.
		}
	}
	k.mu.Lock()
	k.lag = 0
	k.mu.Unlock()
	k.produce(t, nil, anomaly("server_metrics", "web-0", total, 0.9)) // Only the store brings this one.
	// The producer is done: what is still missing comes through reconnects.
	for range clients {
		select {
		case check := <-results:
			check()
		case <-time.After(patience):
			t.Fatal("a client did not get everything")
		}
	}
}

// readSome connects a WebSocket, reads until n anomalies came or the feed is quiet, and goes without a word.
func (r *rig) readSome(since string, n int, byID bool) (ids []string, next string) {
	c, res, err := websocket.DefaultDialer.Dial("ws://"+r.Addr()+"/ws/alerts?since="+url.QueryEscape(since), nil)
	if err != nil {
		r.t.Errorf("since %q: %v", since, err)
		return nil, since
	}
	_ = res.Body.Close()
	defer c.NetConn().Close()
	_ = c.SetReadDeadline(time.Now().Add(patience))
	next = since
	var seq uint64
	for beats := 0; len(ids) < n && beats < 3; {
		var f frame
		if err := c.ReadJSON(&f); err != nil {
			r.t.Errorf("since %q: %v", since, err)
			return ids, next
		}
		if seq != 0 && f.Seq != seq+1 {
			r.t.Errorf("frame %d follows %d", f.Seq, seq)
		}
		seq = f.Seq
		switch f.Type {
		case frameGap:
			r.t.Errorf("since %q: gap: %s", since, f.Reason)
		case frameHeartbeat:
			beats++
		}
		for _, a := range f.Items {
			ids = append(ids, a.ID)
			if byID {
				next = a.ID
			}
		}
		if !byID && f.Cursor != "" {
			next = f.Cursor
		}
	}
	return ids, next
}

// readEvents does the same over server-sent events.
func (r *rig) readEvents(since string, n int) (ids []string, next string) {
	read, cancel := r.eventStreamOf("", since)
	defer cancel()
	next = since
	quiet := time.AfterFunc(patience, cancel) // Until the server has answered, however busy the machine is.
	defer quiet.Stop()
	for len(ids) < n {
		e, err := read()
		if err != nil {
			return ids, next
		}
		quiet.Reset(300 * time.Millisecond)
		if e.kind != "message" {
			continue
		}
		var a streams.Anomaly
		if err := json.Unmarshal([]byte(e.data), &a); err != nil {
			r.t.Error(err)
		}
		ids, next = append(ids, a.ID), e.id
	}
	return ids, next
}

// TestResumeAfterRestart: another process with the recent past of the topic goes on where the first one ended, exactly.
func TestResumeAfterRestart(t *testing.T) {
	t.Parallel()
	one := serve(t, nil)
	k := &topic{history: one.history}
	for i := range int64(30) {
		k.produce(t, one.Server, anomaly("server_metrics", "web-1", i, 0.9))
	}
	c := one.dial("?since=" + url.QueryEscape(t0.Format(time.RFC3339)))
	last := readHello(t, c)
	had := collect(t, c, &last, 30)
	if err := one.stop(); err != nil {
		t.Fatal(err)
	}
	for i := range int64(10) { // While nobody serves.
		k.produce(t, nil, anomaly("server_metrics", "web-1", 30+i, 0.9))
	}
	for name, c := range map[string]struct {
		since    string
		preload  int
		want     []string
		resume   string
		overlaps bool
	}{
		"cursor, from the topic": {last.Cursor, 40, k.ids()[30:], resumeMemory, false},
		"id, from the topic":     {had[29], 40, k.ids()[30:], resumeMemory, false},
		"cursor, from the store": {last.Cursor, 0, k.ids()[30:], resumeStore, true},
		"id, from the store":     {had[29], 0, k.ids()[30:], resumeStore, true},
		"id, half and half":      {had[29], 5, k.ids()[30:], resumeStore, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			two := serve(t, func(_ *Config, d *Deps) { d.History = k.history })
			k.load(t, two.Server, c.preload, one.started)
			conn := two.dial("?since=" + url.QueryEscape(c.since))
			hello := readHello(t, conn)
			if hello.Resume != c.resume {
				t.Errorf("resume: got %s, want %s", hello.Resume, c.resume)
			}
			var got []string
			for lastID := c.want[len(c.want)-1]; !slices.Contains(got, lastID); {
				got = append(got, collect(t, conn, &hello, 1)...)
			}
			if c.overlaps { // Beyond memory a little may repeat.
				got = slices.DeleteFunc(got, func(id string) bool { return slices.Contains(had, id) })
			}
			sameIDs(t, name, got, c.want)
			if err := two.DeliverAnomaly(anomaly("server_metrics", "web-1", 99, 0.9), 0, 99, time.Now()); err != nil {
				t.Fatal(err)
			}
			if got := collect(t, conn, &hello, 1); got[0] != "server_metrics-0-99" {
				t.Errorf("live: got %v", got)
			}
		})
	}
}

// TestResumeWhileLoading: clients that come back before a started server has read the topic's past wait for it, and nobody
// takes the past for news.
func TestResumeWhileLoading(t *testing.T) {
	t.Parallel()
	k := &topic{history: &fakeHistory{}, lag: 1000} // The store has nothing yet.
	for i := range int64(30) {
		k.produce(t, nil, anomaly("server_metrics", "web-1", i, 0.9))
	}
	var loaded atomic.Bool
	r := serve(t, func(_ *Config, d *Deps) { d.History, d.FeedLoaded = k.history, loaded.Load })
	r.call(503, "GET", "/readyz", "")
	fresh := r.dial("")
	last := readHello(t, fresh)
	back := r.dial("?since=server_metrics-0-9")
	k.load(t, r.Server, 30, t0)
	loaded.Store(true)
	hello := readHello(t, back)
	sameIDs(t, "the one that came back", collect(t, back, &hello, 20), k.ids()[10:])
	r.call(200, "GET", "/readyz", "")
	k.produce(t, r.Server, anomaly("server_metrics", "web-1", 30, 0.9))
	for conn, at := range map[*websocket.Conn]*frame{fresh: &last, back: &hello} {
		if got := collect(t, conn, at, 1); got[0] != "server_metrics-0-30" {
			t.Errorf("live: got %v", got)
		}
	}
}

// TestEventsQuietStart: a client of server-sent events that leaves before any anomaly came resumes from the hello, or from
// a heartbeat.
func TestEventsQuietStart(t *testing.T) {
	t.Parallel()
	r := serve(t, nil)
	read, cancel := r.eventStreamOf("", "")
	hello, err := read()
	if err != nil || hello.kind != frameHello || hello.id == "" {
		t.Fatalf("got %+v, %v", hello, err)
	}
	cancel()
	if err := r.DeliverAnomaly(anomaly("server_metrics", "web-1", 1, 0.9), 0, 1, time.Now()); err != nil {
		t.Fatal(err)
	}
	ids, cursor := r.readEvents(hello.id, 1)
	if !slices.Equal(ids, []string{"server_metrics-0-1"}) {
		t.Errorf("got %v", ids)
	}
	heartbeat := (&groupKey{format: formatEvents}).encode(1, frameHeartbeat, map[string]any{"cursor": cursor})
	if got, want := string(heartbeat[0]), "id: "+cursor+"\n\n"; got != want {
		t.Errorf("heartbeat: got %q, want %q", got, want)
	}
}

// TestResumeByTime replays what was stored since then.
func TestResumeByTime(t *testing.T) {
	t.Parallel()
	r := serve(t, nil)
	for i := range int64(10) {
		r.history.add(anomaly("server_metrics", "web-1", i, 0.6+float64(i)/100), t0.Add(time.Duration(i)*time.Minute))
	}
	c := r.dial("?min_score=0.665&since=" + url.QueryEscape(t0.Add(5*time.Minute).Format(time.RFC3339)))
	hello := readHello(t, c)
	want := []string{"server_metrics-0-7", "server_metrics-0-8", "server_metrics-0-9"}
	if got := collect(t, c, &hello, 3); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestGap: where the missed anomalies cannot be had, the client is told.
func TestGap(t *testing.T) {
	t.Parallel()
	r := serve(t, func(c *Config, _ *Deps) { c.ReplayLimit = 1000 })
	gap := func(since string) frame {
		c := r.dial("?since=" + since)
		if hello := readHello(t, c); hello.Resume != resumePartial {
			t.Errorf("since %s: got %s, want %s", since, hello.Resume, resumePartial)
		}
		for {
			if f := next(t, c); f.Type == frameGap {
				return f
			}
		}
	}
	if f := gap("server_metrics-0-77"); f.Reason == "" {
		t.Errorf("unknown id: got %+v", f)
	}
	for i := range int64(1500) {
		r.history.add(anomaly("server_metrics", "web-1", i, 0.9), t0)
	}
	if f := gap("2026-01-01T00:00:00Z"); f.Reason == "" {
		t.Errorf("too many: got %+v", f)
	}
	r.history.fail(errStore)
	if f := gap("2026-01-01T00:00:00Z"); f.Reason != "the store does not answer" {
		t.Errorf("store away: got %+v", f)
	}
}

// TestLongReplaySingle: a replay far longer than a connection's queue reaches a client of single anomalies completely.
func TestLongReplaySingle(t *testing.T) {
	t.Parallel()
	r := serve(t, nil)
	const n = 6000
	for i := range int64(n) {
		r.history.add(anomaly("server_metrics", "web-1", i, 0.9), t0.Add(time.Duration(i)*time.Second))
	}
	c := r.dial("?batch=false&since=2026-01-01T00:00:00Z")
	for i := range int64(n) {
		var a streams.Anomaly
		if err := c.ReadJSON(&a); err != nil {
			t.Fatalf("after %d: %v", i, err)
		}
		if a.Source.Offset != i {
			t.Fatalf("got offset %d, want %d", a.Source.Offset, i)
		}
	}
}

// TestReconcile: what only the store knows comes live, once.
func TestReconcile(t *testing.T) {
	t.Parallel()
	r := serve(t, func(c *Config, _ *Deps) { c.Reconcile = time.Millisecond })
	c := r.dial("")
	last := readHello(t, c)
	k := &topic{history: r.history}
	for i := range int64(5) {
		k.produce(t, nil, anomaly("server_metrics", "web-1", i, 0.9))
	}
	sameIDs(t, "from the store", collect(t, c, &last, 5), k.ids())
	k.load(t, r.Server, 5, time.Now())
	k.produce(t, r.Server, anomaly("server_metrics", "web-1", 5, 0.9))
	if got := collect(t, c, &last, 1); got[0] != "server_metrics-0-5" {
		t.Errorf("got %v, want no repetition", got)
	}
}
