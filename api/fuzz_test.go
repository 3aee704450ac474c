package api

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// FuzzSince: no text makes the parser panic, and what it takes is a single kind of point.
func FuzzSince(f *testing.F) {
	for _, s := range []string{"", "~", "~a.1.2.0-5_1-7.id", "~a.1.2..", "2026-01-02T03:04:05Z", "2026-01-02T03:04:05 01:00", "server_metrics-0-1", "x", "-1", "~a.b.c.d-e_f.g"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := parseSince(s, anomalyCargo(nil).isID)
		if err != nil || p == nil {
			return
		}
		kinds := 0
		for _, is := range []bool{p.cursor != nil, p.id != "", !p.time.IsZero()} {
			if is {
				kinds++
			}
		}
		if kinds != 1 {
			t.Errorf("%q is %d kinds of point", s, kinds)
		}
	})
}

// TestCursorRoundTrip: a cursor that the feed writes is read back as it was.
func TestCursorRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		positions := rapid.MapOf(rapid.Int32Range(0, 1000), rapid.Int64Range(0, 1<<50)).Draw(t, "positions")
		f := &feed{epoch: "1a2b", next: rapid.Uint64Range(1, 1<<60).Draw(t, "next"), last: positions, now: time.Now}
		e := &entry{seq: rapid.Uint64Range(0, 1<<60).Draw(t, "seq"), id: rapid.StringMatching(`[a-z_.]{1,20}-[0-9]-[0-9]{1,9}`).Draw(t, "id")}
		s, err := parseSince(f.cursor(e), anomalyCargo(nil).isID)
		if err != nil {
			t.Fatal(err)
		}
		got := s.cursor
		if got.epoch != "1a2b" || got.seq != e.seq || got.id != e.id || len(got.positions) != len(positions) {
			t.Fatalf("got %+v", got)
		}
		for p, o := range positions {
			if got.positions[p] != o {
				t.Fatalf("partition %d: got %d, want %d", p, got.positions[p], o)
			}
		}
	})
}

// FuzzLiveQuery: no query makes the parser panic; a filter it accepts lets no foreign stream through.
func FuzzLiveQuery(f *testing.F) {
	for _, q := range []string{"", "stream=a", "stream=a,b&stream=c", "min_score=NaN", "min_score=1e9", "include=rollups,detectors", "batch=false", "stream=&entity=", "since=~"} {
		f.Add(q)
	}
	who := &principal{streams: []string{"a", "b"}}
	carry := anomalyCargo(nil)
	f.Fuzz(func(t *testing.T, q string) {
		values, err := url.ParseQuery(q)
		if err != nil {
			return
		}
		key, _, errs := parseLive(values, formatFrames, &carry, who, func(name string) bool { return len(name) == 1 })
		if len(errs) == 0 && (key.stream("c") || key.minScore < 0 || key.minScore > 1) {
			t.Errorf("%q became %+v", q, key)
		}
	})
}

// FuzzWebSocket sends arbitrary bytes after a good handshake. The server lives on, and closes what is no WebSocket.
func FuzzWebSocket(f *testing.F) {
	masked := func(op byte, payload string) []byte {
		b := []byte{0x80 | op, 0x80 | byte(min(len(payload), 125)), 0, 0, 0, 0}
		return append(b, payload...)
	}
	f.Add(masked(1, "hello"))
	f.Add(masked(8, "\x03\xe8bye"))
	f.Add(masked(9, "ping"))
	f.Add([]byte{0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Add([]byte{0xff, 0x00})
	f.Add(binary.BigEndian.AppendUint64([]byte{0x82, 0xff}, 1<<20))
	f.Add([]byte(strings.Repeat("\x89\x80\x00\x00\x00\x00", 500)))
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"))
	f.Fuzz(func(t *testing.T, input []byte) {
		r := serve(t, nil)
		good := r.dial("")
		last := readHello(t, good)
		c, err := net.Dial("tcp", r.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(patience))
		fmt.Fprintf(c, "GET /ws/alerts HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
			"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || res.StatusCode != http.StatusSwitchingProtocols {
			t.Fatalf("got %v, %v", res, err)
		}
		_, _ = c.Write(input) // The server may have closed already.
		if err := r.DeliverAnomaly(anomaly("server_metrics", "web-1", 1, 0.9), 0, 1, time.Now()); err != nil {
			t.Fatal(err)
		}
		if got := collect(t, good, &last, 1); got[0] != "server_metrics-0-1" {
			t.Errorf("got %v", got)
		}
	})
}

// TestArbitraryRequests: whatever the path, the query and the body are, the answer is no 5xx.
func TestArbitraryRequests(t *testing.T) {
	t.Parallel()
	r := seeded(t)
	paths := []string{
		"/api/anomalies", "/api/anomalies/%s", "/api/anomalies/stream/%s", "/api/streams/%s", "/api/streams/%s/detectors",
		"/api/streams/server_metrics/detectors/%s", "/api/streams/server_metrics/series", "/api/streams/server_metrics/events",
		"/api/streams/server_metrics/score", "/%s", "/docs/%s", "/ws/alerts", "/ws/incidents",
		"/api/incidents", "/api/incidents/%s", "/api/incidents/%s/anomalies", "/api/incidents/%s/verdict", "/api/anomalies/%s/verdict", "/api/verdicts/%s",
	}
	names := []string{"limit", "offset", "cursor", "stream", "entity", "min_score", "max_score", "min_severity", "from", "to", "detector", "sort", "key", "minutes", "since", "x"}
	text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"' OR 1=1--", "../../etc/passwd", "%00", "\x00", "\xff\xfe", "-1", "1e999", "NaN", "9999-12-31T23:59:59Z", "{{7*7}}", "\r\nX: y"}))
	rapid.Check(t, func(t *rapid.T) {
		path := rapid.SampledFrom(paths).Draw(t, "path")
		path = strings.Replace(path, "%s", url.PathEscape(text.Draw(t, "segment")), 1)
		q := url.Values{}
		for range rapid.IntRange(0, 3).Draw(t, "parameters") {
			q.Add(rapid.SampledFrom(names).Draw(t, "name"), text.Draw(t, "value"))
		}
		body := text.Draw(t, "body")
		if !utf8.ValidString(body) || rapid.Bool().Draw(t, "json") {
			body = fmt.Sprintf(`{"cpu":%q}`, body)
		}
		method := rapid.SampledFrom([]string{"GET", "POST", "PATCH", "DELETE", "PUT", "OPTIONS", "HEAD"}).Draw(t, "method")
		req, err := http.NewRequest(method, r.base()+path+"?"+q.Encode(), strings.NewReader(body))
		if err != nil {
			return
		}
		req.Header.Set("Content-Type", "application/json")
		if a := r.do(req); a.StatusCode >= 500 {
			t.Fatalf("%s %s: got %d %s", method, req.URL, a.StatusCode, a.body)
		}
	})
}
