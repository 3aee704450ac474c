package api

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestPages: the page and the documentation come complete and with the right types, and are fetched once.
func TestPages(t *testing.T) {
	t.Parallel()
	r := serve(t, nil)
	for path, kind := range map[string]string{
		"/": "text/html; charset=utf-8", "/index.html": "text/html; charset=utf-8", "/favicon.ico": "image/svg+xml", "/favicon.svg": "image/svg+xml",
		"/docs": "text/html; charset=utf-8", "/docs/": "text/html; charset=utf-8", "/docs/start.js": "text/javascript; charset=utf-8",
		"/docs/swagger-ui.css": "text/css; charset=utf-8", "/docs/swagger-ui-bundle.js": "text/javascript; charset=utf-8",
	} {
		a := r.call(200, "GET", path, "")
		tag := a.Header.Get("ETag")
		if got := a.Header.Get("Content-Type"); got != kind || tag == "" || a.Header.Get("Cache-Control") != "no-cache" || len(a.body) == 0 {
			t.Errorf("%s: got type %q, tag %q, %d bytes", path, got, tag, len(a.body))
		}
		req, _ := http.NewRequestWithContext(t.Context(), "GET", r.base()+path, nil)
		req.Header.Set("Accept-Encoding", "identity")
		if plain := r.do(req); string(plain.body) != string(a.body) || plain.Header.Get("Content-Encoding") != "" {
			t.Errorf("%s uncompressed: got %d bytes, want %d", path, len(plain.body), len(a.body))
		}
		req, _ = http.NewRequestWithContext(t.Context(), "GET", r.base()+path, nil)
		req.Header.Set("If-None-Match", tag)
		if again := r.do(req); again.StatusCode != http.StatusNotModified || len(again.body) != 0 {
			t.Errorf("%s again: got %d with %d bytes", path, again.StatusCode, len(again.body))
		}
	}
}

// TestPagesStayHome: the HTML of both pages loads nothing from elsewhere, and has no inline script or style, which the
// policy would block.
func TestPagesStayHome(t *testing.T) {
	t.Parallel()
	r := serve(t, nil)
	loads := regexp.MustCompile(`(?:src|href)="([^"]*)"`)
	for _, path := range []string{"/", "/docs"} {
		html := string(r.call(200, "GET", path, "").body)
		for _, m := range loads.FindAllStringSubmatch(html, -1) {
			target := m[1]
			if strings.Contains(target, "//") {
				t.Errorf("%s loads %s", path, target)
			}
			if strings.HasPrefix(target, "#") || strings.HasPrefix(target, "data:") {
				continue
			}
			if !slices.Contains([]string{"/openapi.json", "/metrics"}, target) {
				r.call(200, "GET", "/"+strings.TrimLeft(target, "./"), "")
			}
		}
		if regexp.MustCompile(`(?s)<script>|<script [^>]*>\s*\S[^<]*</script>|<style|\son\w+="|\sstyle="`).MatchString(html) {
			t.Errorf("%s has inline script or style", path)
		}
	}
}
