// Package dockerlint runs Docker's own lint over deploy/Dockerfile. It is a module of its own, so that the build tools it
// needs do not become dependencies of the product.
package dockerlint

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

const dockerfile = "../../../deploy/Dockerfile"

// resolver answers with an empty image and notes which images were asked for.
type resolver struct{ asked []string }

func (r *resolver) ResolveImageConfig(_ context.Context, ref string, _ sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	r.asked = append(r.asked, ref)
	config, err := json.Marshal(ocispecs.Image{Platform: ocispecs.Platform{OS: "linux", Architecture: "amd64"}})
	return ref, digest.FromBytes(config), config, err
}

// lint returns the warnings for a Dockerfile and the images it refers to.
func lint(t *testing.T, text []byte) (warnings, images []string) {
	t.Helper()
	r := &resolver{}
	source := llb.NewSourceMap(nil, "Dockerfile", "Dockerfile", text)
	source.Definition = &llb.Definition{Metadata: map[digest.Digest]llb.OpMetadata{}}
	results, err := dockerfile2llb.DockerfileLint(context.Background(), text, dockerfile2llb.ConvertOpt{
		MetaResolver: r, SourceMap: source, TargetPlatform: &ocispecs.Platform{OS: "linux", Architecture: "amd64"},
	})
	if err != nil {
		t.Fatalf("linting: %v", err)
	}
	if results.Error != nil {
		t.Fatalf("building: %s", results.Error.Message)
	}
	for _, w := range results.Warnings {
		warnings = append(warnings, w.RuleName+": "+w.Detail+at(w.Location))
	}
	return warnings, r.asked
}

func at(l *pb.Location) string {
	if l == nil || len(l.Ranges) == 0 {
		return ""
	}
	return fmt.Sprintf(" (line %d)", l.Ranges[0].Start.Line)
}

// TestDockerfile checks that Docker finds nothing to complain about, that the only image from outside is the pinned Go
// image, and that the last stage is built from nothing and runs without root.
func TestDockerfile(t *testing.T) {
	text, err := os.ReadFile(dockerfile)
	if err != nil {
		t.Fatal(err)
	}
	warnings, images := lint(t, text)
	for _, w := range warnings {
		t.Errorf("deploy/Dockerfile: %s", w)
	}
	for _, image := range images {
		if !strings.Contains(image, "golang:1.") {
			t.Errorf("image %s: want the Go image only; is a stage mistyped?", image)
		}
	}
	stages := strings.Split(string(text), "\nFROM ")
	last := stages[len(stages)-1]
	if !strings.HasPrefix(last, "scratch") || !strings.Contains(last, "\nUSER 65532") {
		t.Errorf("the last stage is %q, want FROM scratch with USER 65532", last)
	}
}

// TestLintSees checks that the lint can fail at all.
func TestLintSees(t *testing.T) {
	warnings, images := lint(t, []byte("FROM golang:1.26 as build\nFROM scratch\nCOPY --from=biuld /a /a\nCMD /a $nothing\n"))
	if len(warnings) == 0 || !slices.ContainsFunc(images, func(s string) bool { return strings.Contains(s, "biuld") }) {
		t.Errorf("got warnings %v and images %v, want complaints and the mistyped stage", warnings, images)
	}
}
