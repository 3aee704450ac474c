package api

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"anomalystream/streams"
)

// Config configures the API. The zero value of a field takes the default named with it.
type Config struct {
	Addr        string // host:port; port 0 takes a free one. 127.0.0.1:8000.
	AdminAddr   string // host:port of pprof and metrics without tokens; "" for none.
	AllowOpen   bool   // Serve everyone beyond loopback although no tokens are configured.
	Origins     []string
	TLSCert     string // PEM files; both or none.
	TLSKey      string
	RateLimit   float64 // Requests per second and client, bursts of twice as many; 0 for no limit.
	Tokens      []Token
	OIDC        OIDC
	Version     string
	Streams     []streams.Definition // In configuration order.
	Maintenance []streams.Window     // Of the configuration.

	MaxBody        int64         // Bytes of a request body. 4 MiB.
	RequestTimeout time.Duration // Of one REST request. 10 s.
	MaxClients     int           // Live clients at the same time. 5,000.
	FlushEvery     time.Duration // Anomalies are coalesced for this long at most. 100 ms.
	Heartbeat      time.Duration // 15 s.
	FeedHistory    int           // Anomalies kept in memory for resuming clients. 10,000.
	ReplayLimit    int           // Anomalies replayed to a client from the store. 10,000.
	Reconcile      time.Duration // How often the store is asked for anomalies that the feed did not bring. 2 s.
	ShutdownGrace  time.Duration // 5 s.
	Log            *slog.Logger  // slog.Default.
	Now            func() time.Time
}

// Token is a bearer token, known only by its hash.
type Token struct {
	Name    string   // Who: shown in the audit.
	SHA256  string   // Hex digest of the token.
	Role    string   // RoleRead, RoleIngest or RoleAdmin.
	Streams []string // Streams it may see and use; none for all.
}

// OIDC accepts the JWTs of an identity provider beside tokens. It is off while Issuer is "".
type OIDC struct {
	Issuer    string
	Audience  string
	JWKSURL   string // "" discovers it from the issuer.
	RoleClaim string // Claim with the role or roles; "roles".
}

// Roles, each able to do what the one before can.
const (
	RoleRead   = "read"   // Read everything.
	RoleIngest = "ingest" // Send events too.
	RoleAdmin  = "admin"  // Change and delete too.
)

// WithDefaults returns a copy with every unset field at its default.
func (c Config) WithDefaults() Config {
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	if c.Addr == "" {
		c.Addr = "127.0.0.1:8000"
	}
	if c.MaxBody == 0 {
		c.MaxBody = 4 << 20
	}
	if c.MaxClients == 0 {
		c.MaxClients = 5000
	}
	if c.FeedHistory == 0 {
		c.FeedHistory = 10000
	}
	if c.ReplayLimit == 0 {
		c.ReplayLimit = 10000
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.OIDC.RoleClaim == "" {
		c.OIDC.RoleClaim = "roles"
	}
	if c.Version == "" {
		c.Version = "dev"
	}
	def(&c.RequestTimeout, 10*time.Second)
	def(&c.FlushEvery, 100*time.Millisecond)
	def(&c.Heartbeat, 15*time.Second)
	def(&c.Reconcile, 2*time.Second)
	def(&c.ShutdownGrace, 5*time.Second)
	return c
}

// Validate reports everything that is wrong with the configuration.
func (c Config) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("api: "+format, args...)) }
	if err := CheckBind(c.Addr, c.Tokens, c.AllowOpen || c.OIDC.Issuer != ""); err != nil {
		errs = append(errs, err)
	}
	if c.AdminAddr != "" {
		if _, _, err := net.SplitHostPort(c.AdminAddr); err != nil {
			bad("admin_addr %q: %w", c.AdminAddr, err)
		}
	}
	if (c.TLSCert == "") != (c.TLSKey == "") {
		bad("tls_cert_file and tls_key_file go together")
	}
	if c.RateLimit < 0 {
		bad("rate_limit %v is negative", c.RateLimit)
	}
	names := map[string]bool{}
	for i, t := range c.Tokens {
		if t.Name == "" {
			bad("tokens[%d]: a token needs a name", i)
		}
		if names[t.Name] {
			bad("tokens[%d]: name %q is used twice", i, t.Name)
		}
		names[t.Name] = true
		if b, err := hex.DecodeString(t.SHA256); err != nil || len(b) != sha256.Size {
			bad("tokens[%d] (%s): sha256 is not the hex digest of a token; make one with hash-token", i, t.Name)
		}
		if !slices.Contains([]string{RoleRead, RoleIngest, RoleAdmin}, t.Role) {
			bad("tokens[%d] (%s): role %q is none of read, ingest, admin", i, t.Name, t.Role)
		}
		for _, s := range t.Streams {
			if len(c.Streams) > 0 && !slices.ContainsFunc(c.Streams, func(d streams.Definition) bool { return d.Name == s }) {
				bad("tokens[%d] (%s): stream %q is not configured", i, t.Name, s)
			}
		}
	}
	for _, o := range c.Origins {
		u, err := url.Parse(o)
		if o != "*" && (err != nil || u.Scheme == "" || u.Host == "" || strings.TrimSuffix(o, "/") != u.Scheme+"://"+u.Host) {
			bad("cors_origins: %q is no origin such as https://dash.example.org", o)
		}
		if o == "*" && (len(c.Tokens) == 0 && c.OIDC.Issuer == "") {
			bad("cors_origins: * without tokens would let every web page read and change everything")
		}
	}
	if c.OIDC.Issuer != "" && c.OIDC.Audience == "" {
		bad("oidc: audience is needed, or tokens made for other services would be accepted")
	}
	return errors.Join(errs...)
}

// CheckBind refuses to serve beyond loopback without authentication. The address is host:port; an empty host, 0.0.0.0
// and every name or address that is not loopback count as beyond.
func CheckBind(addr string, tokens []Token, allowOpen bool) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("api: addr %q: %w", addr, err)
	}
	if isLoopback(host) || len(tokens) > 0 || allowOpen {
		return nil
	}
	return fmt.Errorf("api: addr %s can be reached from other machines, but no tokens are configured: "+
		"add api.tokens, bind to 127.0.0.1, or set api.allow_unauthenticated", addr)
}

func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return ip != nil && ip.IsLoopback()
}

// HashToken returns the hex SHA-256 digest of a token, as the configuration holds it. Tokens are random and long
// (NewToken), so a plain digest cannot be guessed back.
func HashToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// NewToken returns a random token of 256 bits.
func NewToken() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // Never fails: the runtime ends the process instead.
	return "as_" + hex.EncodeToString(b[:])
}
