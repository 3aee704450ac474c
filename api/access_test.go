package api

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
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
	for _, c := range []struct {
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
	} {
		for i, name := range who {
			if c.want[i] == 0 {
				continue // The stream would stay open; see the live tests.
			}
			r, tokens := guarded(t, nil)
			r.token = tokens[name]
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
	r := serve(t, func(c *Config, _ *Deps) { c.MaxBody, c.RequestTimeout = 1000, 300*time.Millisecond })
	r.call(413, "POST", "/api/streams/server_metrics/events", `{"host":"`+strings.Repeat("a", 2000)+`"}`)
	for name, c := range map[string]struct {
		send string
		want string
	}{
		"slow":   {"Content-Length: 100\r\n\r\n{", "HTTP/1.1 408 "},
		"broken": {"Transfer-Encoding: chunked\r\n\r\nxyz\r\n", "HTTP/1.1 400 "},
	} {
		conn, err := net.Dial("tcp", r.Addr())
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

func TestAdminAddress(t *testing.T) {
	t.Parallel()
	r := serve(t, func(c *Config, _ *Deps) { c.AdminAddr = "127.0.0.1:0" })
	for _, path := range []string{"/debug/pprof/", "/debug/pprof/cmdline", "/metrics"} {
		res, err := r.client.Get("http://" + r.AdminAddr() + path)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode != 200 || len(body) == 0 {
			t.Errorf("%s: got %d, %d bytes", path, res.StatusCode, len(body))
		}
	}
	if a := r.call(200, "GET", "/metrics", ""); !strings.Contains(string(a.body), "anomalystream_api_feed_duplicates_total 0") {
		t.Errorf("got %.200s", a.body)
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	pool := selfSigned(t, cert, key)
	r := serve(t, func(c *Config, _ *Deps) { c.TLSCert, c.TLSKey = cert, key })
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
	defer transport.CloseIdleConnections()
	res, err := (&http.Client{Transport: transport}).Get("https://" + r.Addr() + "/livez")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != 200 || res.Header.Get("Strict-Transport-Security") == "" || !strings.HasPrefix(r.URL(), "https://localhost:") {
		t.Errorf("got %d %v, URL %s", res.StatusCode, res.Header, r.URL())
	}
	_, err = New(Config{Addr: "127.0.0.1:0", TLSCert: cert, TLSKey: cert}, Deps{History: r.history, Statuses: r.statuses})
	if err == nil || !strings.Contains(err.Error(), "TLS") {
		t.Errorf("got %v", err)
	}
}

func selfSigned(t *testing.T, certFile, keyFile string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	for name, b := range map[string][]byte{certFile: certPEM, keyFile: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})} {
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(certPEM)
	return pool
}

// TestConfigRefused: what would be unsafe or cannot work does not start.
func TestConfigRefused(t *testing.T) {
	t.Parallel()
	good := Token{Name: "a", SHA256: HashToken("x"), Role: RoleRead}
	for name, c := range map[string]struct {
		config Config
		want   string // "" for none.
	}{
		"loopback":             {Config{Addr: "127.0.0.1:0"}, ""},
		"ipv6 loopback":        {Config{Addr: "[::1]:0"}, ""},
		"localhost":            {Config{Addr: "localhost:0"}, ""},
		"everywhere":           {Config{Addr: ":8000"}, "no tokens are configured"},
		"any address":          {Config{Addr: "0.0.0.0:8000"}, "no tokens are configured"},
		"a name":               {Config{Addr: "db.example.org:8000"}, "no tokens are configured"},
		"everywhere, tokens":   {Config{Addr: ":8000", Tokens: []Token{good}}, ""},
		"everywhere, told so":  {Config{Addr: ":8000", AllowOpen: true}, ""},
		"no port":              {Config{Addr: "127.0.0.1"}, "addr"},
		"bad hash":             {Config{Tokens: []Token{{Name: "a", SHA256: "x", Role: RoleRead}}}, "hash-token"},
		"bad role":             {Config{Tokens: []Token{{Name: "a", SHA256: good.SHA256, Role: "root"}}}, "role"},
		"no name":              {Config{Tokens: []Token{{SHA256: good.SHA256, Role: RoleRead}}}, "name"},
		"name twice":           {Config{Tokens: []Token{good, good}}, "twice"},
		"origin with path":     {Config{Origins: []string{"https://a.example/x"}}, "origin"},
		"every origin, open":   {Config{Origins: []string{"*"}}, "every web page"},
		"every origin, tokens": {Config{Origins: []string{"*"}, Tokens: []Token{good}}, ""},
		"half of TLS":          {Config{TLSCert: "x"}, "go together"},
		"no audience":          {Config{OIDC: OIDC{Issuer: "https://id.example"}}, "audience"},
		"negative rate":        {Config{RateLimit: -1}, "negative"},
		"admin address":        {Config{AdminAddr: "x"}, "admin_addr"},
	} {
		err := c.config.WithDefaults().Validate()
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

// TestAddressInUse names the address.
func TestAddressInUse(t *testing.T) {
	t.Parallel()
	r := serve(t, nil)
	_, err := New(Config{Addr: r.Addr()}, Deps{History: r.history, Statuses: r.statuses})
	if err == nil || !strings.Contains(err.Error(), r.Addr()) {
		t.Errorf("got %v", err)
	}
}

// slowPing is a store that takes its time to answer.
type slowPing struct {
	History
	wait func()
}

func (s slowPing) Ping(context.Context) error {
	s.wait()
	return nil
}

// TestStopping: a request under way is finished, and Run returns nil.
func TestStopping(t *testing.T) {
	t.Parallel()
	entered, leave := make(chan struct{}), make(chan struct{})
	r := serve(t, func(_ *Config, d *Deps) {
		d.History = slowPing{d.History, func() { close(entered); <-leave }}
	})
	got := make(chan int, 1)
	go func() {
		res, err := r.client.Get(r.base() + "/health")
		if err != nil {
			got <- 0
			return
		}
		res.Body.Close()
		got <- res.StatusCode
	}()
	<-entered
	stopped := make(chan error, 1)
	go func() { stopped <- r.stop() }()
	eventually(t, "the server to stop", func() bool { return !r.readyGate.Load() })
	close(leave)
	if code := <-got; code != 200 {
		t.Errorf("got %d, want 200", code)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}
