package api

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
)

// principal is who makes a request.
type principal struct {
	name    string
	rank    int      // See ranks.
	streams []string // Streams it may see and use; none for all.
}

// ranks orders the roles: each can do what the lower ones can.
var ranks = map[string]int{RoleRead: 1, RoleIngest: 2, RoleAdmin: 3}

func (p *principal) sees(stream string) bool {
	return len(p.streams) == 0 || slices.Contains(p.streams, stream)
}

func (p *principal) role() string {
	for name, rank := range ranks {
		if rank == p.rank {
			return name
		}
	}
	return ""
}

type principalKey struct{}

// whoOf returns who makes the request; every request that reaches a handler has passed authenticate.
func whoOf(ctx context.Context) *principal {
	p, ok := ctx.Value(principalKey{}).(*principal)
	if !ok {
		return &principal{name: "nobody"}
	}
	return p
}

// subprotocol is what our WebSocket clients name; browsers add "bearer.<token>" beside it, since they cannot set headers.
const (
	subprotocol  = "anomalystream"
	bearerPrefix = "bearer."
)

// credential returns the token of a request, "" for none. The query is read on the live routes only.
func credential(r *http.Request) string {
	if scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "bearer") {
		return strings.TrimSpace(token)
	}
	if !liveRoute(r.URL.Path) {
		return ""
	}
	for _, h := range r.Header.Values("Sec-WebSocket-Protocol") {
		for p := range strings.SplitSeq(h, ",") {
			if token, ok := strings.CutPrefix(strings.TrimSpace(p), bearerPrefix); ok {
				return token
			}
		}
	}
	return r.URL.Query().Get("access_token")
}

func liveRoute(path string) bool { return slices.Contains(livePaths[:], path) }

// livePaths are the routes that stay open.
var livePaths = [...]string{"/ws/alerts", "/api/alerts", "/ws/incidents", "/api/incidents/live"}

// protected reports whether a path needs a token: everything but the page, the documentation and the probes.
func protected(path string) bool {
	return strings.HasPrefix(path, "/api/") || strings.HasPrefix(path, "/ws/") || path == "/metrics"
}

// identify finds out who sends this token. The time it takes does not depend on which token is right.
func (s *Server) identify(ctx context.Context, token string) *principal {
	sum := sha256.Sum256([]byte(token))
	var found *principal
	for i := range s.tokens {
		if subtle.ConstantTimeCompare(sum[:], s.tokens[i].sum[:]) == 1 {
			found = &s.tokens[i].principal
		}
	}
	if found == nil && s.oidc != nil && strings.Count(token, ".") == 2 {
		found = s.oidc.identify(ctx, token)
	}
	return found
}

// knownToken is a configured token.
type knownToken struct {
	sum [sha256.Size]byte
	principal
}

func knownTokens(tokens []Token) []knownToken {
	out := make([]knownToken, len(tokens))
	for i, t := range tokens {
		b, _ := hex.DecodeString(t.SHA256) // Config.Validate has checked it.
		copy(out[i].sum[:], b)
		out[i].principal = principal{name: t.Name, rank: ranks[t.Role], streams: t.Streams}
	}
	return out
}

// authenticate puts the principal into the request's context, or answers 401.
func (s *Server) authenticate(next echo.HandlerFunc) echo.HandlerFunc {
	anyone := &principal{name: "anonymous", rank: ranks[RoleAdmin]}
	return func(c echo.Context) error {
		r := c.Request()
		if !protected(r.URL.Path) {
			return next(c)
		}
		who := anyone
		if len(s.tokens) > 0 || s.oidc != nil {
			token := credential(r)
			if token != "" {
				who = s.identify(r.Context(), token)
			}
			if token == "" || who == nil {
				if !s.limits.take("refused "+c.RealIP(), time.Now()) {
					s.metrics.refused.WithLabelValues("rate").Inc()
					return problem(http.StatusTooManyRequests, "too many requests: slow down")
				}
				s.metrics.refused.WithLabelValues("unauthenticated").Inc()
				c.Response().Header().Set("WWW-Authenticate", `Bearer realm="anomalystream"`)
				return problem(http.StatusUnauthorized, "a valid bearer token is needed")
			}
		}
		c.SetRequest(r.WithContext(context.WithValue(r.Context(), principalKey{}, who)))
		return next(c)
	}
}

// allow answers 403 unless the principal has at least this role.
func (s *Server) allow(who *principal, role string) error {
	if who.rank >= ranks[role] {
		return nil
	}
	s.metrics.refused.WithLabelValues("role").Inc()
	return problem(http.StatusForbidden, "this needs the role "+role)
}
