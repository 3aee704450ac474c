package api

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
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
