package api

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
)

type requestIDKey struct{}

func requestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

// routePath lets paths be matched as they were escaped, so that an entity may hold a slash, and HEAD be answered like GET.
func routePath(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u := *r.URL
		u.RawPath = u.EscapedPath()
		clone := *r
		clone.URL = &u
		if r.Method == http.MethodHead {
			clone.Method = http.MethodGet // The server drops the body: it looks at its own request.
		}
		next.ServeHTTP(w, &clone)
	})
}

// observe gives the request an id, logs and measures it, and turns a panic into a 500.
func (s *Server) observe(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		started := time.Now()
		r := c.Request()
		id := r.Header.Get("X-Request-Id")
		if len(id) > 64 || id == "" || strings.Trim(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "" {
			var b [8]byte
			_, _ = rand.Read(b[:])
			id = hex.EncodeToString(b[:])
		}
		c.Response().Header().Set("X-Request-Id", id)
		c.SetRequest(r.WithContext(context.WithValue(r.Context(), requestIDKey{}, id)))
		defer func() {
			if p := recover(); p != nil {
				if p == http.ErrAbortHandler {
					panic(p)
				}
				s.log.Error("a handler panicked", "panic", fmt.Sprint(p), "stack", string(debug.Stack()), "request_id", id)
				err = problem(http.StatusInternalServerError, "internal error")
			}
			if err != nil {
				c.Error(err)
				err = nil
			}
			status, took := c.Response().Status, time.Since(started)
			route := c.Path()
			if route == "" || status == http.StatusNotFound && !strings.HasPrefix(route, "/api/") {
				route = "other"
			}
			if !liveRoute(route) {
				s.metrics.requests.WithLabelValues(route, method(r.Method), strconv.Itoa(status)).Observe(took.Seconds())
			}
			level := slog.LevelDebug
			if status >= 500 {
				level = slog.LevelWarn
			}
			s.log.Log(r.Context(), level, "request", "method", r.Method, "path", r.URL.Path, "status", status,
				"took_ms", float64(took.Microseconds())/1000, "bytes", c.Response().Size, "who", whoOf(c.Request().Context()).name,
				"remote", c.RealIP(), "request_id", id)
		}()
		return next(c)
	}
}

// method bounds the values of a metric's label.
func method(m string) string {
	if slices.Contains([]string{"GET", "HEAD", "POST", "PATCH", "DELETE", "OPTIONS", "PUT"}, m) {
		return m
	}
	return "other"
}

// secure sets the security headers. The page needs nothing from elsewhere and may not be framed.
func secure(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		h := c.Response().Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		style := "'self'"
		if strings.HasPrefix(c.Request().URL.Path, "/docs") {
			style = "'self' 'unsafe-inline'" // Swagger UI writes style attributes.
		}
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src "+style+
			"; img-src 'self' data:; font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		if c.Request().TLS != nil {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		if protected(c.Request().URL.Path) {
			h.Set("Cache-Control", "no-store")
		}
		return next(c)
	}
}

// origins keeps foreign web pages out: it answers CORS for the allowed ones, and refuses changes and WebSockets from others.
// While everyone is let in on loopback, the Host must be a loopback name too, or a page could reach us by rebinding DNS.
func (s *Server) origins(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		if s.open && !s.config.AllowOpen && !s.ownHost(r.Host) {
			s.metrics.refused.WithLabelValues("host").Inc()
			return problem(http.StatusMisdirectedRequest, "this server answers to loopback names only while it has no tokens")
		}
		origin := r.Header.Get("Origin")
		if origin == "" {
			return next(c)
		}
		h := c.Response().Header()
		h.Add("Vary", "Origin")
		allowed := s.allowedOrigin(r)
		if allowed && !sameOrigin(r) {
			h.Set("Access-Control-Allow-Origin", origin)
			h.Set("Access-Control-Expose-Headers", "X-Request-Id, Retry-After")
		}
		if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
			if allowed {
				h.Set("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE")
				h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Last-Event-ID, X-Request-Id")
				h.Set("Access-Control-Max-Age", "600")
			}
			return c.NoContent(http.StatusNoContent)
		}
		if !allowed && (r.Method != http.MethodGet && r.Method != http.MethodHead || liveRoute(r.URL.Path)) {
			s.metrics.refused.WithLabelValues("origin").Inc()
			return problem(http.StatusForbidden, "this origin is not allowed; see cors_origins")
		}
		return next(c)
	}
}

// allowedOrigin reports whether a request comes from no web page, from our own, or from an allowed one.
func (s *Server) allowedOrigin(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	return origin == "" || sameOrigin(r) || slices.ContainsFunc(s.config.Origins, func(o string) bool {
		return o == "*" || strings.EqualFold(strings.TrimSuffix(o, "/"), origin)
	})
}

func sameOrigin(r *http.Request) bool {
	u, err := url.Parse(r.Header.Get("Origin"))
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, r.Host)
}

// ownHost reports whether a Host header names loopback or the address we listen on.
func (s *Server) ownHost(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	configured, _, _ := net.SplitHostPort(s.config.Addr)
	return isLoopback(name) || strings.EqualFold(name, configured)
}

// limit bounds the time and the rate of requests. Live connections are bounded by number instead.
func (s *Server) limit(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		if !protected(r.URL.Path) {
			return next(c)
		}
		who := whoOf(r.Context()).name
		if s.open {
			who = c.RealIP()
		}
		if !s.limits.take(who, time.Now()) {
			s.metrics.refused.WithLabelValues("rate").Inc()
			return problem(http.StatusTooManyRequests, "too many requests: slow down")
		}
		if liveRoute(r.URL.Path) {
			return next(c)
		}
		ctx, cancel := context.WithTimeout(r.Context(), s.config.RequestTimeout)
		defer cancel()
		c.SetRequest(r.WithContext(ctx))
		return next(c)
	}
}
