package api

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
)

// issuer is a real OpenID Connect issuer on loopback: discovery, keys, and signed tokens.
type issuer struct {
	*httptest.Server
	key  *rsa.PrivateKey
	down atomic.Bool
}

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	i := &issuer{key: key}
	answer := func(v func() map[string]any) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			if i.down.Load() {
				w.WriteHeader(http.StatusBadGateway)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(v())
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", answer(func() map[string]any {
		return map[string]any{
			"issuer": i.URL, "jwks_uri": i.URL + "/keys", "authorization_endpoint": i.URL + "/a", "token_endpoint": i.URL + "/t",
			"id_token_signing_alg_values_supported": []string{"RS256"},
		}
	}))
	mux.HandleFunc("/keys", answer(func() map[string]any {
		return map[string]any{"keys": []any{map[string]any{
			"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "k1", "e": "AQAB",
			"n": base64.RawURLEncoding.EncodeToString(i.key.N.Bytes()),
		}}}
	}))
	i.Server = httptest.NewServer(mux)
	t.Cleanup(i.Close)
	return i
}

// sign makes a JWT with these claims over the good ones.
func (i *issuer) sign(t *testing.T, alg string, claims map[string]any) string {
	t.Helper()
	all := map[string]any{"iss": i.URL, "aud": "anomalystream", "sub": "u1", "exp": time.Now().Add(time.Hour).Unix(), "roles": "read"}
	for k, v := range claims {
		all[k] = v
	}
	part := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(b)
	}
	text := part(map[string]any{"alg": alg, "kid": "k1", "typ": "JWT"}) + "." + part(all)
	if alg == "none" {
		return text + "."
	}
	sum := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, i.key, crypto.SHA256, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func TestOIDC(t *testing.T) {
	t.Parallel()
	id, foreign := newIssuer(t), newIssuer(t)
	for _, jwks := range []string{"", id.URL + "/keys"} {
		r := serve(t, func(c *Config, _ *Deps) { c.OIDC = OIDC{Issuer: id.URL, Audience: "anomalystream", JWKSURL: jwks} })
		for name, c := range map[string]struct {
			token string
			path  string
			want  int
		}{
			"read":               {id.sign(t, "RS256", nil), "/api/me", 200},
			"read as admin":      {id.sign(t, "RS256", nil), "/api/audit", 403},
			"admin in a list":    {id.sign(t, "RS256", map[string]any{"roles": []string{"other", "admin"}}), "/api/audit", 200},
			"no role":            {id.sign(t, "RS256", map[string]any{"roles": []string{"other"}}), "/api/me", 401},
			"role of wrong type": {id.sign(t, "RS256", map[string]any{"roles": 3}), "/api/me", 401},
			"scope":              {id.sign(t, "RS256", map[string]any{"streams": []string{"transactions"}}), "/api/streams/server_metrics", 403},
			"scope in words":     {id.sign(t, "RS256", map[string]any{"streams": "a transactions"}), "/api/streams/transactions", 200},
			"scope in words out": {id.sign(t, "RS256", map[string]any{"streams": "a transactions"}), "/api/streams/server_metrics", 403},
			"scope of nothing":   {id.sign(t, "RS256", map[string]any{"streams": []string{}}), "/api/me", 401},
			"scope unreadable":   {id.sign(t, "RS256", map[string]any{"streams": map[string]any{}}), "/api/me", 401},
			"expired":            {id.sign(t, "RS256", map[string]any{"exp": time.Now().Add(-time.Minute).Unix()}), "/api/me", 401},
			"other audience":     {id.sign(t, "RS256", map[string]any{"aud": "grafana"}), "/api/me", 401},
			"other issuer":       {foreign.sign(t, "RS256", nil), "/api/me", 401},
			"foreign key":        {foreign.sign(t, "RS256", map[string]any{"iss": id.URL}), "/api/me", 401},
			"unsigned":           {id.sign(t, "none", nil), "/api/me", 401},
			"garbage":            {"a.b.c", "/api/me", 401},
		} {
			r.token = c.token
			req, _ := http.NewRequestWithContext(t.Context(), "GET", r.base()+c.path, nil)
			if got := r.do(req).StatusCode; got != c.want {
				t.Errorf("%s (jwks %q): got %d, want %d", name, jwks, got, c.want)
			}
		}
		r.token = id.sign(t, "RS256", map[string]any{"email": "ada@example.org", "roles": "admin"})
		r.call(200, "PATCH", "/api/streams/server_metrics", `{"requested_rate":0.1}`)
		if who := r.audits.rows[0].Who; who != "ada@example.org" {
			t.Errorf("audit: got %q", who)
		}
		r.token = ""
		r.call(401, "GET", "/api/me", "")
		r.client.CloseIdleConnections()
		r.oidc.client.CloseIdleConnections()
	}
}

// TestOIDCAway: the API starts without its issuer, refuses meanwhile, and recovers.
func TestOIDCAway(t *testing.T) {
	t.Parallel()
	id := newIssuer(t)
	id.down.Store(true)
	r := serve(t, func(c *Config, _ *Deps) { c.OIDC = OIDC{Issuer: id.URL, Audience: "anomalystream"} })
	r.token = id.sign(t, "RS256", nil)
	r.call(401, "GET", "/api/me", "")
	id.down.Store(false)
	r.oidc.mu.Lock()
	r.oidc.tried = time.Time{} // As if its pause had passed.
	r.oidc.mu.Unlock()
	r.call(200, "GET", "/api/me", "")
}
