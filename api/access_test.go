package api

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// guarded serves with one token per role, and one that sees a single stream.
func guarded(t *testing.T, change func(*Config)) (*rig, map[string]string) {
	t.Helper()
	tokens := map[string]string{"read": NewToken(), "ingest": NewToken(), "admin": NewToken(), "scoped": NewToken(), "": "", "wrong": NewToken()}
	r := serve(t, func(c *Config, _ *Deps) {
		for _, role := range []string{RoleRead, RoleIngest, RoleAdmin} {
			c.Tokens = append(c.Tokens, Token{Name: role, SHA256: HashToken(tokens[role]), Role: role})
		}
		c.Tokens = append(c.Tokens, Token{Name: "scoped", SHA256: HashToken(tokens["scoped"]), Role: RoleAdmin, Streams: []string{"transactions"}})
		if change != nil {
			change(c)
		}
	})
	r.history.add(anomaly("server_metrics", "web-1", 1, 0.9), t0)
	r.history.add(anomaly("transactions", "card-1", 2, 0.8), t0)
	return r, tokens
}

// TestRoles tries every route with every kind of caller. Statuses are for: nobody, a wrong token, read, ingest, admin, and
// an admin of transactions only.
func TestRoles(t *testing.T) {
	t.Parallel()
	who := []string{"", "wrong", "read", "ingest", "admin", "scoped"}
	cases := []struct {
		method, path, body string
		want               [6]int
	}{
		{"GET", "/", "", [6]int{200, 200, 200, 200, 200, 200}},
		{"GET", "/health", "", [6]int{200, 200, 200, 200, 200, 200}},
		{"GET", "/livez", "", [6]int{200, 200, 200, 200, 200, 200}},
		{"GET", "/readyz", "", [6]int{200, 200, 200, 200, 200, 200}},
		{"GET", "/docs", "", [6]int{200, 200, 200, 200, 200, 200}},
		{"GET", "/openapi.json", "", [6]int{200, 200, 200, 200, 200, 200}},
		{"GET", "/metrics", "", [6]int{401, 401, 200, 200, 200, 200}},
		{"GET", "/debug/pprof/", "", [6]int{404, 404, 404, 404, 404, 404}},
		{"GET", "/api/me", "", [6]int{401, 401, 200, 200, 200, 200}},
		{"GET", "/api/anomalies", "", [6]int{401, 401, 200, 200, 200, 200}},
		{"GET", "/api/anomalies?stream=server_metrics", "", [6]int{401, 401, 200, 200, 200, 403}},
		{"GET", "/api/anomalies/stream/server_metrics", "", [6]int{401, 401, 200, 200, 200, 403}},
		{"GET", "/api/anomalies/server_metrics-0-1", "", [6]int{401, 401, 200, 200, 200, 404}},
		{"GET", "/api/anomalies/transactions-0-2", "", [6]int{401, 401, 200, 200, 200, 200}},
		{"GET", "/api/stats", "", [6]int{401, 401, 200, 200, 200, 200}},
		{"GET", "/api/streams", "", [6]int{401, 401, 200, 200, 200, 200}},
		{"GET", "/api/streams/server_metrics", "", [6]int{401, 401, 200, 200, 200, 403}},
		{"GET", "/api/streams/server_metrics/detectors", "", [6]int{401, 401, 200, 200, 200, 403}},
		{"GET", "/api/streams/server_metrics/detectors/x", "", [6]int{401, 401, 404, 404, 404, 403}},
		{"GET", "/api/streams/server_metrics/series", "", [6]int{401, 401, 200, 200, 200, 403}},
		{"POST", "/api/streams/server_metrics/score", `{"host":"web-1","cpu":1}`, [6]int{401, 401, 200, 200, 200, 403}},
		{"POST", "/api/streams/server_metrics/events", `{"host":"a","cpu":1}`, [6]int{401, 401, 403, 202, 202, 403}},
		{"PATCH", "/api/streams/server_metrics", `{"requested_rate":0.1}`, [6]int{401, 401, 403, 403, 200, 403}},
		{"DELETE", "/api/streams/server_metrics/requested-rate", "", [6]int{401, 401, 403, 403, 200, 403}},
		{"GET", "/api/audit", "", [6]int{401, 401, 403, 403, 200, 200}},
		{"GET", "/ws/alerts", "", [6]int{401, 401, 426, 426, 426, 426}},
		{"GET", "/ws/alerts?stream=server_metrics", "", [6]int{401, 401, 426, 426, 426, 422}},
		{"GET", "/api/alerts?stream=server_metrics,transactions", "", [6]int{401, 401, 0, 0, 0, 422}},
		{"GET", "/api/nothing", "", [6]int{401, 401, 404, 404, 404, 404}},
		{"GET", "/%61pi/anomalies", "", [6]int{401, 401, 404, 404, 404, 404}},
		{"GET", "/api%2fanomalies", "", [6]int{401, 401, 404, 404, 404, 404}},
		{"GET", "//api/anomalies", "", [6]int{404, 404, 404, 404, 404, 404}},
		{"GET", "/API/anomalies", "", [6]int{404, 404, 404, 404, 404, 404}},
		{"DELETE", "/api/anomalies/server_metrics-0-1", "", [6]int{401, 401, 403, 403, 204, 404}},
	}
	for i, name := range who {
		r, tokens := guarded(t, nil)
		r.token = tokens[name]
		for _, c := range cases {
			if c.want[i] == 0 {
				continue // The stream would stay open; see the live tests.
			}
			a := r.call(c.want[i], c.method, c.path, c.body)
			if got := a.Header.Get("WWW-Authenticate") != ""; got != (c.want[i] == 401) {
				t.Errorf("%s %s as %q: WWW-Authenticate present: %v", c.method, c.path, name, got)
			}
		}
	}
}

// TestScopedLists: a scoped token sees its stream in every list, and nothing else.
func TestScopedLists(t *testing.T) {
	t.Parallel()
	r, tokens := guarded(t, nil)
	r.token = tokens["scoped"]
	for _, path := range []string{"/api/anomalies", "/api/streams", "/api/stats"} {
		if a := r.call(200, "GET", path, ""); strings.Contains(string(a.body), "server_metrics") || !strings.Contains(string(a.body), "transactions") {
			t.Errorf("%s: got %s", path, a.body)
		}
	}
	r.call(204, "DELETE", "/api/anomalies/transactions-0-2", "")
	if got, want := fmt.Sprint(r.history.deleted), "[transactions-0-2 by scoped]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestTokenPlaces: the query and the subprotocol count on the live routes only, other schemes never.
func TestTokenPlaces(t *testing.T) {
	t.Parallel()
	r, tokens := guarded(t, nil)
	get := func(path string, header http.Header) int {
		req, _ := http.NewRequestWithContext(t.Context(), "GET", r.base()+path, nil)
		for name, v := range header {
			req.Header[name] = v
		}
		return r.do(req).StatusCode
	}
	for _, c := range []struct {
		path, header, value string
		want                int
	}{
		{"/api/me", "Authorization", "bearer " + tokens["read"], 200},
		{"/api/me", "Authorization", "Basic " + tokens["read"], 401},
		{"/api/me", "Authorization", tokens["read"], 401},
		{"/api/me", "Authorization", "Bearer " + HashToken(tokens["read"]), 401},
		{"/api/me", "Authorization", "Bearer ", 401},
		{"/api/me?access_token=" + tokens["read"], "", "", 401},
		{"/ws/alerts?access_token=" + tokens["read"], "", "", 426},
		{"/ws/alerts", "Sec-WebSocket-Protocol", "anomalystream, bearer." + tokens["read"], 426},
		{"/api/me", "Sec-WebSocket-Protocol", "anomalystream, bearer." + tokens["read"], 401},
	} {
		h := http.Header{}
		if c.header != "" {
			h.Set(c.header, c.value)
		}
		if got := get(c.path, h); got != c.want {
			t.Errorf("%s with %s %q: got %d, want %d", c.path, c.header, c.value, got, c.want)
		}
	}
	for name, token := range tokens {
		if token != "" && strings.Contains(r.log.String(), token) {
			t.Errorf("the log holds the token %q", name)
		}
	}
}

// TestOrigins: foreign web pages may neither change, nor connect live, nor read; allowed ones may.
func TestOrigins(t *testing.T) {
	t.Parallel()
	r := serve(t, func(c *Config, _ *Deps) { c.Origins = []string{"https://dash.example.org"} })
	for _, c := range []struct {
		method, path, origin, host string
		want                       int
		allow                      string
	}{
		{"GET", "/api/stats", "", "", 200, ""},
		{"GET", "/api/stats", "http://" + r.Addr(), "", 200, ""},
		{"GET", "/api/stats", "https://dash.example.org", "", 200, "https://dash.example.org"},
		{"GET", "/api/stats", "https://evil.example", "", 200, ""},
		{"DELETE", "/api/anomalies/x-0-1", "https://dash.example.org", "", 404, "https://dash.example.org"},
		{"DELETE", "/api/anomalies/x-0-1", "https://evil.example", "", 403, ""},
		{"DELETE", "/api/anomalies/x-0-1", "null", "", 403, ""},
		{"DELETE", "/api/anomalies/x-0-1", "https://dash.example.org.evil.example", "", 403, ""},
		{"GET", "/ws/alerts", "https://evil.example", "", 403, ""},
		{"GET", "/ws/alerts", "https://dash.example.org", "", 426, "https://dash.example.org"},
		{"GET", "/api/alerts", "https://evil.example", "", 403, ""},
		{"GET", "/api/stats", "", "evil.example", 421, ""},
		{"GET", "/", "", "evil.example:80", 421, ""},
		{"GET", "/api/stats", "", "localhost:8000", 200, ""},
	} {
		req, _ := http.NewRequestWithContext(t.Context(), c.method, r.base()+c.path, nil)
		if c.origin != "" {
			req.Header.Set("Origin", c.origin)
		}
		req.Host = c.host
		a := r.do(req)
		if got := a.Header.Get("Access-Control-Allow-Origin"); a.StatusCode != c.want || got != c.allow {
			t.Errorf("%s %s from %q to %q: got %d and %q, want %d and %q", c.method, c.path, c.origin, c.host, a.StatusCode, got, c.want, c.allow)
		}
	}
	preflight := func(origin string) *answer {
		req, _ := http.NewRequestWithContext(t.Context(), "OPTIONS", r.base()+"/api/anomalies/x", nil)
		req.Header.Set("Origin", origin)
		req.Header.Set("Access-Control-Request-Method", "DELETE")
		return r.do(req)
	}
	if a := preflight("https://dash.example.org"); a.StatusCode != 204 || !strings.Contains(a.Header.Get("Access-Control-Allow-Methods"), "DELETE") {
		t.Errorf("preflight: got %d %v", a.StatusCode, a.Header)
	}
	if a := preflight("https://evil.example"); a.Header.Get("Access-Control-Allow-Methods") != "" {
		t.Errorf("foreign preflight: got %v", a.Header)
	}
}

func TestSecurityHeaders(t *testing.T) {
	t.Parallel()
	r := serve(t, nil)
	for _, path := range []string{"/", "/docs", "/api/stats", "/nothing"} {
		req, _ := http.NewRequestWithContext(t.Context(), "GET", r.base()+path, nil)
		h := r.do(req).Header
		if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("X-Frame-Options") != "DENY" || h.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("%s: got %v", path, h)
		}
		csp := h.Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'none'; script-src 'self';") || strings.Contains(csp, "unsafe-eval") ||
			strings.Contains(csp, "unsafe-inline") != (path == "/docs") {
			t.Errorf("%s: got policy %q", path, csp)
		}
	}
}

// TestRateLimit bounds a caller, leaves the other ones alone, and slows down those who guess tokens.
func TestRateLimit(t *testing.T) {
	t.Parallel()
	r, tokens := guarded(t, func(c *Config) { c.RateLimit = 0.001 }) // A burst of one, then nothing for minutes.
	r.token = tokens["read"]
	r.call(200, "GET", "/api/me", "")
	if got := r.call(429, "GET", "/api/me", "").Header.Get("Retry-After"); got == "" {
		t.Error("no Retry-After")
	}
	r.call(200, "GET", "/livez", "")
	r.token = tokens["admin"]
	r.call(200, "GET", "/api/me", "")
	r.token = tokens["wrong"]
	r.call(401, "GET", "/api/me", "")
	r.call(429, "GET", "/api/me", "")
}

// TestBodies: too large, too slow and broken bodies are the caller's fault.
func TestBodies(t *testing.T) {
	t.Parallel()
	r := serve(t, func(c *Config, _ *Deps) { c.MaxBody = 1000 })
	hasty := serve(t, func(c *Config, _ *Deps) { c.RequestTimeout = 300 * time.Millisecond })
	r.call(413, "POST", "/api/streams/server_metrics/events", `{"host":"`+strings.Repeat("a", 2000)+`"}`)
	for name, c := range map[string]struct {
		to   *rig
		send string
		want string
	}{
		"slow":   {hasty, "Content-Length: 100\r\n\r\n{", "HTTP/1.1 408 "},
		"broken": {r, "Transfer-Encoding: chunked\r\n\r\nxyz\r\n", "HTTP/1.1 400 "},
	} {
		conn, err := net.Dial("tcp", c.to.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(patience))
		fmt.Fprintf(conn, "POST /api/streams/server_metrics/events HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n%s", c.send)
		got, err := io.ReadAll(conn)
		if err != nil || !strings.HasPrefix(string(got), c.want) || !strings.Contains(string(got), "application/problem+json") {
			t.Errorf("%s: got %q (%v), want %s", name, got, err, c.want)
		}
	}
}
