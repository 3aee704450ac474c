package api

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

// identityProvider accepts JWTs of an OpenID Connect issuer. Discovery happens at the first token and is tried again while
// the issuer is away, so the API starts without it.
type identityProvider struct {
	config OIDC
	log    *slog.Logger
	client *http.Client

	mu       sync.Mutex
	verifier *oidc.IDTokenVerifier
	tried    time.Time
}

func newIdentityProvider(c OIDC, log *slog.Logger) *identityProvider {
	return &identityProvider{config: c, log: log, client: &http.Client{Timeout: 5 * time.Second}}
}

// identify returns who a JWT names, nil when it is not valid here.
func (p *identityProvider) identify(ctx context.Context, token string) *principal {
	verifier, err := p.ready(ctx)
	if err != nil {
		p.log.Warn("verifying a JWT", "issuer", p.config.Issuer, "error", err)
		return nil
	}
	jwt, err := verifier.Verify(ctx, token)
	if err != nil {
		p.log.Debug("refusing a JWT", "error", err)
		return nil
	}
	var claims map[string]any
	if err := jwt.Claims(&claims); err != nil {
		return nil
	}
	who := &principal{name: jwt.Subject, rank: highest(claims[p.config.RoleClaim])}
	for _, name := range []string{"email", "preferred_username"} {
		if v, ok := claims[name].(string); ok && v != "" {
			who.name = v
		}
	}
	if scope, ok := claims["streams"]; ok {
		if who.streams = words(scope); len(who.streams) == 0 {
			return nil // A scope that names nothing readable allows nothing.
		}
	}
	if who.rank == 0 {
		return nil
	}
	return who
}

// highest returns the rank of the best role in a claim.
func highest(claim any) int {
	best := 0
	for _, role := range words(claim) {
		best = max(best, ranks[role])
	}
	return best
}

// words reads a claim that is a list of strings, or one string with spaces between.
func words(claim any) []string {
	switch v := claim.(type) {
	case string:
		return strings.Fields(v)
	case []any:
		var out []string
		for _, w := range v {
			if s, ok := w.(string); ok {
				out = append(out, s)
			}
		}
		return out
	}
	return nil
}

func (p *identityProvider) ready(ctx context.Context) (*oidc.IDTokenVerifier, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.verifier != nil {
		return p.verifier, nil
	}
	if time.Since(p.tried) < 5*time.Second {
		return nil, fmt.Errorf("the issuer did not answer a moment ago")
	}
	p.tried = time.Now()
	config := &oidc.Config{ClientID: p.config.Audience}
	// Keys are fetched long after this request: its context must not end them.
	background := oidc.ClientContext(context.WithoutCancel(ctx), p.client)
	if p.config.JWKSURL != "" {
		p.verifier = oidc.NewVerifier(p.config.Issuer, oidc.NewRemoteKeySet(background, p.config.JWKSURL), config)
		return p.verifier, nil
	}
	provider, err := oidc.NewProvider(background, p.config.Issuer)
	if err != nil {
		return nil, fmt.Errorf("asking issuer %s for its configuration: %w", p.config.Issuer, err)
	}
	p.verifier = provider.Verifier(config)
	return p.verifier, nil
}
