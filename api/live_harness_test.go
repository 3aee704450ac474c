package api

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"anomalystream/streams"
)

// frame is any message of a WebSocket.
type frame struct {
	Seq       uint64
	Type      string
	Cursor    string
	Resume    string
	Replayed  any
	Reason    string
	Items     []streams.Anomaly
	IDs       []string `json:"ids"`
	Rollups   []streams.Rollup
	Detectors []streams.DetectorStatus
}

// dial opens a WebSocket of anomalies.
func (r *rig) dial(query string) *websocket.Conn {
	r.t.Helper()
	return r.dialPath("/ws/alerts" + query)
}

// dialPath opens a WebSocket.
func (r *rig) dialPath(path string) *websocket.Conn {
	r.t.Helper()
	c, res, err := websocket.DefaultDialer.Dial("ws://"+r.Addr()+path, nil)
	if err != nil {
		r.t.Fatalf("connecting to %s: %v (%v)", path, err, res)
	}
	_ = res.Body.Close()
	r.t.Cleanup(func() { _ = c.Close() })
	_ = c.SetReadDeadline(time.Now().Add(patience))
	return c
}

// next reads one frame.
func next(t *testing.T, c *websocket.Conn) frame {
	t.Helper()
	_, b, err := c.ReadMessage()
	if err != nil {
		t.Fatalf("reading a frame: %v", err)
	}
	var f frame
	if err := json.Unmarshal(b, &f); err != nil {
		t.Fatalf("decoding %q: %v", b, err)
	}
	if f.Items == nil {
		t.Fatalf("a frame without items: %s", b)
	}
	return f
}

// readHello reads the first frame.
func readHello(t *testing.T, c *websocket.Conn) frame {
	t.Helper()
	f := next(t, c)
	if f.Type != frameHello || f.Cursor == "" {
		t.Fatalf("got %+v, want a hello", f)
	}
	return f
}

// collect reads frames until n anomalies came, checking that the frames are numbered without holes.
func collect(t *testing.T, c *websocket.Conn, last *frame, n int) []string {
	t.Helper()
	var got []string
	for len(got) < n {
		f := next(t, c)
		if f.Seq != last.Seq+1 {
			t.Fatalf("frame %d follows %d", f.Seq, last.Seq)
		}
		cursor := f.Cursor
		if cursor == "" {
			cursor = last.Cursor
		}
		*last = f
		last.Cursor = cursor
		for _, a := range f.Items {
			got = append(got, a.ID)
		}
	}
	return got
}

// topic stands for the anomalies topic and the sink: it delivers to servers and stores, late, as the real ones do.
type topic struct {
	mu      sync.Mutex
	history *fakeHistory
	lag     int // Rows that the sink is behind.
	rows    []streams.Anomaly
	stored  int
}

func (k *topic) ids() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	out := make([]string, len(k.rows))
	for i, a := range k.rows {
		out[i] = a.ID
	}
	return out
}

// produce adds an anomaly, delivers it to the server, and lets the sink go on.
func (k *topic) produce(t *testing.T, s *Server, a streams.Anomaly) {
	t.Helper()
	k.mu.Lock()
	offset := int64(len(k.rows))
	k.rows = append(k.rows, a)
	for k.stored < len(k.rows)-k.lag {
		k.history.add(k.rows[k.stored], time.Now())
		k.stored++
	}
	k.mu.Unlock()
	if s == nil {
		return
	}
	if err := s.DeliverAnomaly(a, 0, offset, time.Now()); err != nil {
		t.Error(err)
	}
}

// load delivers the last n records, as a process does that starts.
func (k *topic) load(t *testing.T, s *Server, n int, written time.Time) {
	t.Helper()
	k.mu.Lock()
	defer k.mu.Unlock()
	for i := max(0, len(k.rows)-n); i < len(k.rows); i++ {
		if err := s.DeliverAnomaly(k.rows[i], 0, int64(i), written); err != nil {
			t.Error(err)
		}
	}
}

// event is one server-sent event.
type event struct{ id, kind, data string }

// eventStreamOf opens a server-sent event stream; cancel ends it.
func (r *rig) eventStreamOf(query, lastID string) (read func() (event, error), cancel func()) {
	r.t.Helper()
	return r.pathStreamOf("/api/alerts"+query, lastID)
}

// pathStreamOf is eventStreamOf of another route.
func (r *rig) pathStreamOf(path, lastID string) (read func() (event, error), cancel func()) {
	r.t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, r.base()+path, nil)
	if lastID != "" {
		req.Header.Set("Last-Event-ID", lastID)
	}
	transport := &http.Transport{}
	res, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		stop()
		r.t.Fatal(err)
	}
	if res.StatusCode != 200 || res.Header.Get("Content-Type") != "text/event-stream" {
		stop()
		r.t.Fatalf("got %d %s", res.StatusCode, res.Header.Get("Content-Type"))
	}
	in := bufio.NewReaderSize(res.Body, 1<<20)
	read = func() (event, error) {
		e := event{kind: "message"}
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				return e, err
			}
			name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
			switch name {
			case "id":
				e.id = value
			case "event":
				e.kind = value
			case "data":
				e.data = value
			case "":
				if e.data != "" {
					return e, nil
				}
			}
		}
	}
	cancel = func() {
		stop()
		_ = res.Body.Close()
		transport.CloseIdleConnections()
	}
	r.t.Cleanup(cancel)
	timer := time.AfterFunc(patience, stop)
	r.t.Cleanup(func() { timer.Stop() })
	return read, cancel
}

// closeCode reads until the connection ends and returns how.
func closeCode(c *websocket.Conn) int {
	for {
		if _, _, err := c.ReadMessage(); err != nil {
			var ended *websocket.CloseError
			if errors.As(err, &ended) {
				return ended.Code
			}
			return -1
		}
	}
}

// sameIDs fails unless both hold the same ids, each once.
func sameIDs(t *testing.T, what string, got, want []string) {
	t.Helper()
	g, w := slices.Clone(got), slices.Clone(want)
	slices.Sort(g)
	slices.Sort(w)
	if slices.Equal(g, w) {
		return
	}
	count := map[string]int{}
	for _, id := range w {
		count[id]--
	}
	for _, id := range g {
		count[id]++
	}
	var missing, double []string
	for id, n := range count {
		switch {
		case n < 0:
			missing = append(missing, id)
		case n > 0:
			double = append(double, id)
		}
	}
	t.Fatalf("%s: got %d of %d anomalies; missing %v, too many %v", what, len(got), len(want), missing, double)
}
