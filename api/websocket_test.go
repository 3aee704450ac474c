package api

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gorilla/websocket"

	"anomalystream/streams"
)

// TestFrames: every anomaly comes, complete, in order, in numbered frames; a deletion is told.
func TestFrames(t *testing.T) {
	t.Parallel()
	r := serve(t, nil)
	k := &topic{history: r.history}
	c := r.dial("")
	last := readHello(t, c)
	for i := range int64(20) {
		k.produce(t, r.Server, anomaly("server_metrics", "web-1", i, 0.9))
	}
	if got, want := collect(t, c, &last, 20), k.ids(); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	k.produce(t, r.Server, anomaly("transactions", "card-1", 20, 0.8))
	f := next(t, c)
	if diff := cmp.Diff([]streams.Anomaly{anomaly("transactions", "card-1", 20, 0.8)}, f.Items); diff != "" {
		t.Error(diff)
	}
	r.call(204, "DELETE", "/api/anomalies/server_metrics-0-3", "")
	if f := next(t, c); f.Type != frameDeleted || !slices.Equal(f.IDs, []string{"server_metrics-0-3"}) || len(f.Items) != 0 {
		t.Errorf("got %+v", f)
	}
}

// TestPlainClients: a client that reads items, or one that asks for single anomalies, needs to know nothing else.
func TestPlainClients(t *testing.T) {
	t.Parallel()
	r := serve(t, func(c *Config, _ *Deps) { c.Heartbeat = 3 * time.Millisecond })
	k := &topic{history: r.history}
	frames, single := r.dial(""), r.dial("?batch=false")
	readHello(t, frames)
	eventually(t, "both clients to join", func() bool { return r.joined(2) })
	for i := range int64(300) {
		k.produce(t, r.Server, anomaly("server_metrics", "web-1", i, 0.9))
	}
	var got []string
	for len(got) < 300 {
		var message struct{ Items []struct{ ID string } }
		if err := frames.ReadJSON(&message); err != nil {
			t.Fatal(err)
		}
		for _, a := range message.Items {
			got = append(got, a.ID)
		}
	}
	if !slices.Equal(got, k.ids()) {
		t.Errorf("items: got %d, want %d in order", len(got), 300)
	}
	for i := range int64(300) {
		var a streams.Anomaly
		if err := single.ReadJSON(&a); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(anomaly("server_metrics", "web-1", i, 0.9), a); diff != "" {
			t.Fatal(diff)
		}
	}
}

// joined reports whether n live connections have joined the feed of anomalies and are past their replay.
func (r *rig) joined(n int) bool { return r.feed.joined(n) }

func (f *feed) joined(n int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, g := range f.groups {
		for m := range g.members {
			if !m.replaying {
				n--
			}
		}
	}
	return n == 0
}

// TestCoalescing: what comes within the flush interval is one frame.
func TestCoalescing(t *testing.T) {
	t.Parallel()
	r := serve(t, func(c *Config, _ *Deps) { c.FlushEvery = time.Second })
	c := r.dial("")
	last := readHello(t, c)
	before := last.Seq
	eventually(t, "the client to join", func() bool { return r.joined(1) })
	r.feed.mu.Lock() // Everything arrives while one flush waits.
	for i := range int64(maxFrameItems + 100) {
		go func() { _ = r.DeliverAnomaly(anomaly("server_metrics", "web-1", i, 0.9), 0, i, time.Now()) }()
	}
	r.feed.mu.Unlock()
	collect(t, c, &last, maxFrameItems+100)
	if frames := last.Seq - before; frames > 10 {
		t.Errorf("%d anomalies came in %d frames", maxFrameItems+100, frames)
	}
}

func TestFilters(t *testing.T) {
	t.Parallel()
	r := serve(t, nil)
	want := map[string]string{
		"":                                    "0 1 2 3",
		"?stream=server_metrics":              "0 1 2",
		"?stream=transactions,server_metrics": "0 1 2 3",
		"?stream=transactions&stream=server_metrics": "0 1 2 3",
		"?stream=transactions":                       "3",
		"?entity=web-2":                              "2",
		"?entity=":                                   "",
		"?min_score=0.8":                             "1 3",
		"?min_severity=9.2":                          "3",
		"?stream=server_metrics&min_score=0.8":       "1",
	}
	conns := map[string]*websocket.Conn{}
	for query := range want {
		conns[query] = r.dial(query)
	}
	eventually(t, "all clients to join", func() bool { return r.joined(len(want)) })
	for i, a := range []streams.Anomaly{
		anomaly("server_metrics", "web-1", 0, 0.7), anomaly("server_metrics", "web-1", 1, 0.9),
		anomaly("server_metrics", "web-2", 2, 0.6), anomaly("transactions", "card-1", 3, 0.95),
	} {
		if err := r.DeliverAnomaly(a, 0, int64(i), time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the flush", func() bool { r.feed.mu.Lock(); defer r.feed.mu.Unlock(); return len(r.feed.pending) == 0 })
	r.feed.heartbeat() // Ends what is read below.
	for query, c := range conns {
		var got []string
		for f := readHello(t, c); f.Type != frameHeartbeat; {
			f = next(t, c)
			for _, a := range f.Items {
				got = append(got, fmt.Sprint(a.Source.Offset))
			}
		}
		if s := strings.Join(got, " "); s != want[query] {
			t.Errorf("%q: got %s, want %s", query, s, want[query])
		}
	}
}

// TestIncluded: rollups and detector statuses come to those who ask, each kind in its own member.
func TestIncluded(t *testing.T) {
	t.Parallel()
	r := serve(t, func(_ *Config, d *Deps) {
		d.Statuses = &fakeStatuses{rows: []streams.DetectorStatus{{Stream: "server_metrics", Entity: "web-1", CheckpointAt: t0}}}
	})
	c := r.dial("?include=rollups,detectors")
	readHello(t, c)
	r.DeliverRollup(streams.Rollup{Stream: "server_metrics", Entity: "web-1", Minute: t0, Events: 3})
	seen := map[string]bool{}
	for len(seen) < 2 {
		switch f := next(t, c); f.Type {
		case frameRollups:
			seen[f.Type] = len(f.Rollups) == 1 && f.Rollups[0].Events == 3
		case frameDetectors:
			seen[f.Type] = len(f.Detectors) == 1 && f.Detectors[0].Entity == "web-1"
		}
	}
	if !seen[frameRollups] || !seen[frameDetectors] {
		t.Errorf("got %v", seen)
	}
}

// TestHandshakes that are none are answered with a problem.
func TestHandshakes(t *testing.T) {
	t.Parallel()
	r := serve(t, nil)
	req, _ := http.NewRequestWithContext(t.Context(), "GET", r.base()+"/ws/alerts", nil)
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", "websocket")
	req.Header.Set("Sec-WebSocket-Version", "7")
	if got := r.do(req).StatusCode; got != 400 {
		t.Errorf("got %d, want 400", got)
	}
}

// TestMaxClients bounds the live connections and counts them down again.
func TestMaxClients(t *testing.T) {
	t.Parallel()
	r := serve(t, func(c *Config, _ *Deps) { c.MaxClients = 2 })
	a, b := r.dial(""), r.dial("")
	readHello(t, a)
	readHello(t, b)
	r.call(503, "GET", "/api/alerts", "")
	_ = a.Close()
	eventually(t, "a place", func() bool { return r.clients.Load() == 1 })
	readHello(t, r.dial(""))
}

// TestBadClients: chatter, large messages and half-open sockets end or wait alone; others get everything.
func TestBadClients(t *testing.T) {
	t.Parallel()
	r := serve(t, nil)
	k := &topic{history: r.history}
	good := r.dial("")
	last := readHello(t, good)

	large := r.dial("")
	_ = large.WriteMessage(websocket.TextMessage, make([]byte, 1<<20))
	if got := closeCode(large); got != websocket.CloseMessageTooBig && got != -1 { // The reset may overtake the code.
		t.Errorf("large message: got code %d, want %d", got, websocket.CloseMessageTooBig)
	}
	chatty := r.dial("")
	for range 2 * maxClientTalk {
		if chatty.WriteMessage(websocket.TextMessage, []byte("hello?")) != nil {
			break
		}
	}
	if got := closeCode(chatty); got != websocket.ClosePolicyViolation {
		t.Errorf("chatter: got code %d, want %d", got, websocket.ClosePolicyViolation)
	}
	for i := range 200 {
		c, err := net.Dial("tcp", r.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if i%2 == 0 {
			fmt.Fprintf(c, "GET /ws/alerts HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n")
		}
	}
	for i := range int64(50) {
		k.produce(t, r.Server, anomaly("server_metrics", "web-1", i, 0.9))
	}
	sameIDs(t, "the good client", collect(t, good, &last, 50), k.ids())
	r.call(200, "GET", "/livez", "")
}

// unhurried lets the server wait for its clients as long as tests do, whatever else the machine has to do. What cuts a client
// is then what it leaves unread, and it hears why. To be called before they connect.
func (r *rig) unhurried() {
	for _, w := range []*sockets{r.alerts.sockets, r.alerts.singles} {
		w.farewell, w.melody.Config.WriteWait, w.melody.Config.PongWait = patience, patience, 3*patience
	}
}

// TestSlowClient: one that does not read is cut with its own code, and holds nobody.
func TestSlowClient(t *testing.T) {
	t.Parallel()
	r := serve(t, func(c *Config, _ *Deps) { c.FlushEvery = time.Millisecond })
	r.unhurried()
	k := &topic{history: r.history}
	good, slow := r.dial(""), r.dial("")
	last := readHello(t, good)
	readHello(t, slow)
	fat := anomaly("server_metrics", "web-1", 0, 0.9)
	fat.Why.Sentence = strings.Repeat("x", 64<<10)
	cut := func() bool { return metric(t, r, `anomalystream_api_live_clients_cut_total{reason="slow"} 1`) }
	var got []string
	for i := int64(0); !cut(); i++ {
		if i == 1000 {
			t.Fatal("the slow client was never cut")
		}
		fat.ID = fmt.Sprintf("server_metrics-0-%d", i)
		k.produce(t, r.Server, fat)
		got = append(got, collect(t, good, &last, 1)...)
	}
	if code := closeCode(slow); code != closeSlow {
		t.Errorf("got code %d, want %d", code, closeSlow)
	}
	k.produce(t, r.Server, anomaly("server_metrics", "web-1", 5000, 0.9))
	got = append(got, collect(t, good, &last, 1)...)
	sameIDs(t, "the good client", got, k.ids())
}

func metric(t *testing.T, r *rig, line string) bool {
	t.Helper()
	families, err := r.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	name, rest, _ := strings.Cut(line, "{")
	label, value, _ := strings.Cut(rest, "} ")
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == name && label == fmt.Sprintf("%s=%q", m.GetLabel()[0].GetName(), m.GetLabel()[0].GetValue()) {
				return fmt.Sprint(m.GetCounter().GetValue()) == value
			}
		}
	}
	return false
}

// TestShutdownTellsClients: each transport says that it is worth to connect again, and nobody holds the end up.
func TestShutdownTellsClients(t *testing.T) {
	t.Parallel()
	r := serve(t, func(c *Config, _ *Deps) { c.ShutdownGrace = 10 * time.Second })
	c := r.dial("")
	readHello(t, c)
	read, _ := r.eventStreamOf("", "")
	if e, err := read(); err != nil || e.kind != frameHello {
		t.Fatalf("got %v, %v", e, err)
	}
	deaf := r.dial("")
	readHello(t, deaf)
	_ = deaf.NetConn().(*net.TCPConn).SetReadBuffer(4096)
	go func() { _ = r.stop() }()
	if got := closeCode(c); got != websocket.CloseGoingAway {
		t.Errorf("got code %d, want %d", got, websocket.CloseGoingAway)
	}
	if e, err := read(); err != nil || e.kind != "closing" {
		t.Errorf("got %v, %v", e, err)
	}
	if err := r.stop(); err != nil {
		t.Error(err)
	}
}

// TestSecretInSubprotocol: browsers send the token beside our subprotocol, which the server picks.
func TestSecretInSubprotocol(t *testing.T) {
	t.Parallel()
	r, tokens := guarded(t, nil)
	dialer := websocket.Dialer{Subprotocols: []string{subprotocol, bearerPrefix + tokens["scoped"]}}
	c, res, err := dialer.Dial("ws://"+r.Addr()+"/ws/alerts", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got := res.Header.Get("Sec-WebSocket-Protocol"); got != subprotocol {
		t.Errorf("got %q, want %q", got, subprotocol)
	}
	_ = c.SetReadDeadline(time.Now().Add(patience))
	readHello(t, c)
	for i, stream := range []string{"server_metrics", "transactions"} {
		if err := r.DeliverAnomaly(anomaly(stream, "e", int64(i), 0.9), 0, int64(i), time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	f := next(t, c)
	if len(f.Items) != 1 || f.Items[0].Stream != "transactions" {
		b, _ := json.Marshal(f)
		t.Errorf("got %s, want the scoped stream only", b)
	}
}
