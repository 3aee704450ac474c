package api

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"sync"

	"github.com/labstack/echo/v4"
)

//go:embed web
var webFiles embed.FS

// docsFiles hold Swagger UI, so that the documentation needs no other server.
//
//go:embed docs
var docsFiles embed.FS

// contentTypes of the files we serve; the machine's own table must not decide.
var contentTypes = map[string]string{
	".html":        "text/html; charset=utf-8",
	".css":         "text/css; charset=utf-8",
	".js":          "text/javascript; charset=utf-8",
	".mjs":         "text/javascript; charset=utf-8",
	".json":        "application/json",
	".svg":         "image/svg+xml",
	".png":         "image/png",
	".ico":         "image/x-icon",
	".woff2":       "font/woff2",
	".txt":         "text/plain; charset=utf-8",
	".md":          "text/plain; charset=utf-8",
	"":             "text/plain; charset=utf-8", // LICENSE and the like.
	".webmanifest": "application/manifest+json",
}

// pageRoutes serves the live page at the root and the documentation under /docs.
func (s *Server) pageRoutes() error {
	if err := s.files(webFiles, "web", ""); err != nil {
		return err
	}
	// Browsers ask for this one without being told to.
	icon, err := webFiles.ReadFile("web/favicon.svg")
	if err != nil {
		return fmt.Errorf("reading the page's icon: %w", err)
	}
	s.asset("/favicon.ico", contentTypes[".svg"], icon)
	return s.files(docsFiles, "docs", "/docs")
}

// files registers one exact route for every file below root, so that no other path can be asked for; an index.html is
// served under its directory's path too.
func (s *Server) files(files fs.FS, root, prefix string) error {
	return fs.WalkDir(files, root, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := fs.ReadFile(files, name)
		if err != nil {
			return fmt.Errorf("reading %s: %w", name, err)
		}
		kind, ok := contentTypes[path.Ext(name)]
		if !ok {
			return fmt.Errorf("file %s has no content type", name)
		}
		at := prefix + strings.TrimPrefix(name, root)
		s.asset(at, kind, body)
		if dir, isIndex := strings.CutSuffix(at, "/index.html"); isIndex {
			s.asset(dir+"/", kind, body)
			if dir != "" {
				s.asset(dir, kind, body)
			}
		}
		return nil
	})
}

// asset serves a fixed body. Browsers keep it and ask each time whether it has changed: an update of the server shows at
// once, and an unchanged file costs no transfer. It is compressed once, since everyone may ask for it without a token.
func (s *Server) asset(at, kind string, body []byte) {
	s.assets[at] = true
	compressed := sync.OnceValue(func() []byte { return compress(body) })
	sum := sha256.Sum256(body)
	tag := `W/"` + hex.EncodeToString(sum[:12]) + `"` // Weak: the bytes differ where they travel compressed.
	s.echo.GET(at, func(c echo.Context) error {
		h := c.Response().Header()
		h.Set("Cache-Control", "no-cache")
		h.Set("ETag", tag)
		if strings.Contains(c.Request().Header.Get("If-None-Match"), tag) {
			return c.NoContent(http.StatusNotModified)
		}
		h.Add("Vary", "Accept-Encoding")
		if small := compressed(); small != nil && strings.Contains(c.Request().Header.Get("Accept-Encoding"), "gzip") {
			h.Set("Content-Encoding", "gzip")
			return c.Blob(http.StatusOK, kind, small)
		}
		return c.Blob(http.StatusOK, kind, body)
	})
}

// compress returns the body as gzip, nil where that gains little.
func compress(body []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(body) // A buffer takes everything.
	_ = w.Close()
	if b.Len() > len(body)*9/10 {
		return nil
	}
	return b.Bytes()
}
