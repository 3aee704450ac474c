package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// allowed is the table of docs/design.md: which of our packages a package may import, besides the standard library. A
// package is matched by its longest prefix; test files are held to the same rules, except for test kits.
var allowed = map[string]struct {
	ours  []string // Our packages, by prefix.
	third []string // Other modules, by prefix.
}{
	"streams":               {nil, []string{"github.com/buger/jsonparser", "github.com/go-json-experiment/json"}},
	"detectors":             {[]string{"detectors"}, []string{"gonum.org/v1/gonum", "golang.org/x/sys/cpu"}},
	"streams/guards":        {[]string{"streams"}, []string{"github.com/robfig/cron", "github.com/arran4/golang-ical", "github.com/teambition/rrule-go"}},
	"processors":            {[]string{"streams", "detectors", "processors", "internal/retry"}, []string{"github.com/lovoo/goka", "github.com/IBM/sarama", "github.com/prometheus/client_golang"}},
	"processors/checkpoint": {[]string{"processors/checkpoint", "internal/retry"}, []string{"github.com/lovoo/goka", "github.com/IBM/sarama", "github.com/xdg-go/scram", "github.com/prometheus/client_golang", "golang.org/x/sync"}},
	"processors/incidents":  {[]string{"streams"}, nil},
	"processors/routes":     {[]string{"streams"}, nil},
	"views":                 {[]string{"streams", "internal/retry"}, []string{"github.com/lovoo/goka", "github.com/IBM/sarama"}},
	"emitters":              {[]string{"streams", "internal/retry"}, []string{"github.com/lovoo/goka", "github.com/IBM/sarama", "golang.org/x/time", "github.com/buger/jsonparser", "github.com/go-json-experiment/json"}},
	"sink":                  {[]string{"streams", "sink", "internal/retry"}, []string{"github.com/jackc/pgx", "modernc.org/sqlite", "github.com/pressly/goose", "github.com/IBM/sarama", "github.com/prometheus/client_golang"}},
	"sink/letters":          {[]string{"streams", "internal/retry"}, []string{"github.com/IBM/sarama"}},
	"sink/reading":          {nil, []string{"github.com/IBM/sarama"}},
	"sink/notify":           {[]string{"streams", "sink/letters", "sink/reading", "internal/retry"}, []string{"github.com/IBM/sarama", "github.com/prometheus/client_golang", "github.com/nicholas-fedor/shoutrrr", "github.com/wneessen/go-mail"}},
	"api":                   {[]string{"streams", "api"}, []string{"github.com/labstack/echo", "github.com/danielgtaylor/huma", "github.com/olahol/melody", "github.com/gorilla/websocket", "github.com/prometheus/client_golang", "github.com/coreos/go-oidc", "golang.org/x/time", "golang.org/x/sync"}},
}

// TestImports holds every package to the table of allowed imports.
func TestImports(t *testing.T) {
	t.Parallel()
	checked := 0
	err := filepath.WalkDir(".", func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() && (strings.HasPrefix(e.Name(), ".") && path != "." || e.Name() == "testdata" || e.Name() == "node_modules" || e.Name() == "examples") {
			return filepath.SkipDir
		}
		if filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		dir := filepath.ToSlash(filepath.Dir(path))
		rule, ok := allowed[longestPrefix(dir)]
		if !ok {
			return nil // main and internal tie everything together.
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range f.Imports {
			name, _ := strconv.Unquote(spec.Path.Value)
			checked++
			if !permitted(name, rule.ours, rule.third) {
				t.Errorf("%s imports %s, which the layout does not allow", path, name)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if checked < 50 {
		t.Fatalf("only %d imports were checked", checked)
	}
}

func longestPrefix(dir string) string {
	best := ""
	for p := range allowed {
		if (dir == p || strings.HasPrefix(dir, p+"/")) && len(p) > len(best) {
			best = p
		}
	}
	return best
}

func permitted(name string, ours, third []string) bool {
	if rest, ok := strings.CutPrefix(name, "anomalystream/"); ok {
		for _, p := range ours {
			if rest == p || strings.HasPrefix(rest, p+"/") {
				return true
			}
		}
		return false
	}
	if !strings.Contains(strings.SplitN(name, "/", 2)[0], ".") {
		return true // Standard library.
	}
	for _, p := range third {
		if name == p || strings.HasPrefix(name, p+"/") {
			return true
		}
	}
	return false
}
