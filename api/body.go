package api

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/labstack/echo/v4"
)

// deadlines bounds how long a connection may take to send a request and to take its answer. Live connections set their own.
func (s *Server) deadlines(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		if !liveRoute(r.URL.Path) {
			control := http.NewResponseController(c.Response())
			now := time.Now()
			_ = control.SetWriteDeadline(now.Add(s.config.RequestTimeout + 20*time.Second))
			if r.ContentLength != 0 {
				// Also bounds the rest of a body that nobody reads, which net/http drains before the next request.
				_ = control.SetReadDeadline(now.Add(s.config.RequestTimeout))
			}
		}
		return next(c)
	}
}

// body reads the body before the handler runs: one that is too large, too slow or broken off is the caller's fault.
func (s *Server) body(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		if r.ContentLength == 0 || !protected(r.URL.Path) || liveRoute(r.URL.Path) {
			return next(c)
		}
		b, err := io.ReadAll(http.MaxBytesReader(c.Response(), r.Body, s.config.MaxBody))
		if err != nil {
			c.Response().Header().Set("Connection", "close")
			var tooLarge *http.MaxBytesError
			var slow net.Error
			switch {
			case errors.As(err, &tooLarge):
				return problem(http.StatusRequestEntityTooLarge, "the body is too large")
			case errors.As(err, &slow) && slow.Timeout():
				return problem(http.StatusRequestTimeout, "the body came too slowly")
			}
			return problem(http.StatusBadRequest, "the body is broken off or badly framed")
		}
		r.Body = io.NopCloser(bytes.NewReader(b))
		return next(c)
	}
}

// texts are the parameters that may be empty, which means any; numbers, times and choices need a value.
var texts = []string{"stream", "entity", "cursor", "detector", "group", "key", "key_field"}

// readable refuses parameters that no store or topic could hold: badly escaped ones, text that is not UTF-8, and NUL. It
// also refuses empty ones that the framework would ignore, and decodes the path parameters, once; see routePath.
func (s *Server) readable(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		var errs []error
		check := func(location, value string) {
			if !utf8.ValidString(value) || strings.ContainsRune(value, 0) {
				errs = append(errs, badField(location, "not readable text", nil))
			}
		}
		names := c.ParamNames()
		values := make([]string, len(names))
		for i, v := range c.ParamValues() {
			if strings.Contains(v, "/") { // The router lets a last parameter take the rest of the path.
				return s.noRoute(c)
			}
			decoded, err := url.PathUnescape(v)
			if err != nil {
				return problem(http.StatusBadRequest, "the path is badly escaped")
			}
			values[i] = decoded
			check("path."+names[i], decoded)
		}
		query, err := url.ParseQuery(c.Request().URL.RawQuery)
		if err != nil {
			return problem(http.StatusBadRequest, "the query is badly escaped")
		}
		for name, list := range query {
			for _, v := range list {
				location := "query." + strings.ToValidUTF8(name, "?")
				check(location, name+v)
				if v == "" && protected(c.Path()) && !liveRoute(c.Path()) && !slices.Contains(texts, name) {
					errs = append(errs, badField(location, "given without a value", nil))
				}
			}
		}
		if len(errs) > 0 {
			return problem(http.StatusUnprocessableEntity, "validation failed", errs...)
		}
		c.SetParamValues(values...)
		return next(c)
	}
}

// noRoute answers a path that no route has in this form: 405 where one takes other methods, else 404.
func (s *Server) noRoute(c echo.Context) error {
	segments := strings.Split(c.Request().URL.RawPath, "/")
	var allowed []string
	for _, route := range s.echo.Routes() {
		pattern := strings.Split(route.Path, "/")
		fits := len(pattern) == len(segments)
		for i := 0; fits && i < len(pattern); i++ {
			fits = pattern[i] == segments[i] || strings.HasPrefix(pattern[i], ":")
		}
		if fits {
			allowed = append(allowed, route.Method)
		}
	}
	if len(allowed) == 0 {
		return echo.ErrNotFound
	}
	c.Response().Header().Set("Allow", strings.Join(allowed, ", "))
	return echo.ErrMethodNotAllowed
}
