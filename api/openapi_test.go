package api

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestOpenAPI compares the description with the golden file, so that every change of the API is seen in a review.
// Renew it with go test ./api -run TestOpenAPI -update.
func TestOpenAPI(t *testing.T) {
	t.Parallel()
	r := serve(t, func(c *Config, _ *Deps) { c.Version = "golden" })
	a := r.call(200, "GET", "/openapi.json", "")
	var got bytes.Buffer
	if err := json.Indent(&got, a.body, "", "  "); err != nil {
		t.Fatal(err)
	}
	got.WriteByte('\n')
	file := filepath.Join("testdata", "openapi.json")
	if *update {
		if err := os.WriteFile(file, got.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		g, w := strings.Split(got.String(), "\n"), strings.Split(string(want), "\n")
		for i := range min(len(g), len(w)) {
			if g[i] != w[i] {
				t.Fatalf("the description changed at line %d: got %q, want %q; renew it with -update if that is meant", i+1, g[i], w[i])
			}
		}
		t.Fatalf("the description has %d lines, want %d", len(g), len(w))
	}
	var doc struct {
		OpenAPI string
		Paths   map[string]map[string]any
	}
	a.decode(t, &doc)
	if doc.OpenAPI != "3.1.0" {
		t.Errorf("got version %q, want 3.1.0", doc.OpenAPI)
	}
	r.describedRoutes(doc.Paths)
	for name := range descriptions {
		for property, schema := range r.huma.OpenAPI().Components.Schemas.Map()[name].Properties {
			if schema.Description == "" && schema.Ref == "" && len(schema.AnyOf) == 0 {
				t.Errorf("%s.%s has no description", name, property)
			}
		}
	}
}

// describedRoutes checks that each REST route is in the description, and nothing else.
func (r *rig) describedRoutes(paths map[string]map[string]any) {
	var described, served []string
	for path, item := range paths {
		for method := range item {
			described = append(described, strings.ToUpper(method)+" "+path)
		}
	}
	parameter := regexp.MustCompile(`:(\w+)`)
	for _, route := range r.echo.Routes() {
		if strings.HasPrefix(route.Path, "/api/") || strings.HasPrefix(route.Path, "/ws/") ||
			slices.Contains([]string{"/health", "/livez", "/readyz"}, route.Path) {
			served = append(served, route.Method+" "+parameter.ReplaceAllString(route.Path, "{$1}"))
		}
	}
	slices.Sort(described)
	slices.Sort(served)
	if !slices.Equal(described, served) {
		r.t.Errorf("described %v\nserved %v", described, served)
	}
}
