package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"anomalystream/internal/kafkatest"
)

// childVariable holds the command line of a process that a test started to kill it.
const childVariable = "ANOMALYSTREAM_TEST_CHILD"

func TestMain(m *testing.M) {
	if line := os.Getenv(childVariable); line != "" {
		os.Exit(execute(context.Background(), strings.Fields(line), nil, os.Stderr, os.Stderr))
	}
	os.Exit(m.Run())
}

// spawn runs a command with the world's configuration in a process of its own; kill ends it at once, as kill -9 does.
func (w *world) spawn(args ...string) (b *background, kill func()) {
	w.t.Helper()
	b = &background{t: w.t, name: strings.Join(args, " ")}
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childVariable+"="+strings.Join(append(args, "--config", w.config), " "))
	child.Stdout, child.Stderr = &b.stderr, &b.stderr
	if err := child.Start(); err != nil {
		w.t.Fatal(err)
	}
	killed := false
	kill = func() {
		if !killed {
			killed = true
			_ = child.Process.Kill()
			_ = child.Wait()
		}
	}
	w.t.Cleanup(kill)
	return b, kill
}

// listener is a WebSocket client that keeps what it got.
type listener struct {
	t      *testing.T
	conn   *websocket.Conn
	ids    []string
	cursor string // Of the last frame.
}

// listen connects, to resume after since unless that is empty.
func (c client) listen(since string) *listener {
	c.t.Helper()
	at := strings.Replace(c.url, "http", "ws", 1) + "/ws/alerts"
	if since != "" {
		at += "?since=" + url.QueryEscape(since)
	}
	conn, res, err := websocket.DefaultDialer.DialContext(c.t.Context(), at, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	_ = res.Body.Close()
	c.t.Cleanup(func() { _ = conn.Close() })
	return &listener{t: c.t, conn: conn}
}

// until reads frames until n anomalies have come since the connection began.
func (l *listener) until(n int) {
	l.t.Helper()
	for len(l.ids) < n || l.cursor == "" {
		l.frame(kafkatest.Deadline)
	}
}

// frame reads one frame.
func (l *listener) frame(patience time.Duration) {
	l.t.Helper()
	_ = l.conn.SetReadDeadline(time.Now().Add(patience))
	_, message, err := l.conn.ReadMessage()
	if err != nil {
		l.t.Fatalf("after %v: %v", l.ids, err)
	}
	var frame struct {
		Type, Cursor, Reason string
		Items                []struct{ ID string }
	}
	if err := json.Unmarshal(message, &frame); err != nil {
		l.t.Fatalf("frame %s: %v", message, err)
	}
	if frame.Type == "gap" {
		l.t.Errorf("a gap: %s", frame.Reason)
	}
	if frame.Cursor != "" {
		l.cursor = frame.Cursor
	}
	for _, a := range frame.Items {
		l.ids = append(l.ids, a.ID)
	}
}

// TestResume kills the system under a client, lets anomalies come while it is away, and resumes by a cursor, by an id and by
// a time: what was missed and what comes then arrives once. Only an id, which does not tell where the topic's other partitions
// were, may bring back what the client had already.
func TestResume(t *testing.T) {
	t.Parallel()
	w := newWorld(t, apiStreams)
	w.must("topics", "create")
	run, kill := w.spawn("run")
	c := client{t, run.url()}
	started := time.Now().Add(-time.Second).UTC().Format(time.RFC3339)
	before := c.listen("")
	before.until(0)
	first := w.publishAnomalies(0, 30)
	before.until(len(first))
	c.awaitTotal(30)
	kill()
	missed := w.publishAnomalies(30, 50)

	run, kill = w.spawn("run")
	c.url = run.url()
	listeners := map[string]*listener{}
	want := map[string][]string{"cursor": missed, "id": missed, "time": append(slices.Clone(first), missed...)}
	for by, since := range map[string]string{"cursor": before.cursor, "id": before.ids[len(before.ids)-1], "time": started} {
		listeners[by] = c.listen(since)
		listeners[by].until(len(want[by]))
	}
	live := w.publishAnomalies(50, 60)
	end := w.publishAnomalies(60, 61) // Its partition is that of the even ones; the odd one follows.
	end = append(end, w.publishAnomalies(61, 62)...)
	for by, l := range listeners {
		expected := slices.Concat(want[by], live, end)
		for !slices.Contains(l.ids, end[0]) || !slices.Contains(l.ids, end[1]) {
			l.frame(kafkatest.Deadline)
		}
		slices.Sort(expected)
		got := slices.Sorted(slices.Values(l.ids))
		if len(slices.Compact(slices.Clone(got))) != len(got) {
			t.Errorf("by %s: an anomaly came twice: %v", by, got)
		}
		if by == "id" {
			got = slices.DeleteFunc(got, func(id string) bool { return id != before.ids[len(before.ids)-1] && slices.Contains(first, id) })
		}
		if !slices.Equal(got, expected) {
			t.Errorf("by %s: got %d anomalies\n%v\nwant %d\n%v", by, len(got), got, len(expected), expected)
		}
	}
	c.awaitTotal(62)
	kill()
	for by, l := range listeners { // Nothing more was on its way.
		if _, message, err := l.conn.ReadMessage(); err == nil && strings.Contains(string(message), `"alert_score"`) {
			t.Errorf("by %s: one more frame: %s", by, fmt.Sprintf("%.300s", message))
		}
	}
}
