// Package deploytest checks what deploy/ and docker-compose.yml ship, without a container engine.
package deploytest

import (
	"bufio"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

// root is the repository, seen from this package.
const root = "../.."

// loadCompose loads docker-compose.yml as docker compose does, with the variables of .env.example.
func loadCompose(t *testing.T, profiles ...string) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{filepath.Join(root, "docker-compose.yml")},
		cli.WithEnv(exampleEnv(t)), cli.WithName("test"), cli.WithProfiles(profiles))
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(context.Background())
	if err != nil {
		t.Fatalf("loading docker-compose.yml: %v", err)
	}
	return project
}

// exampleEnv returns the assignments of .env.example.
func exampleEnv(t *testing.T) []string {
	t.Helper()
	f, err := os.Open(filepath.Join(root, ".env.example"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var env []string
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if name, _, ok := strings.Cut(line, "="); !ok || name == "" {
			t.Fatalf(".env.example: %q is no assignment", line)
		}
		env = append(env, line)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return env
}

// TestCompose checks that the stack is complete: services, health checks, named volumes, pinned images, no open ports.
func TestCompose(t *testing.T) {
	t.Parallel()
	project := loadCompose(t, "demo")
	for _, name := range []string{"kafka", "postgres", "grafana", "detect", "sink", "api", "emit"} {
		if _, err := project.GetService(name); err != nil {
			t.Errorf("service %s: %v", name, err)
		}
	}
	for _, s := range project.Services {
		if s.Build == nil {
			if _, tag, ok := strings.Cut(s.Image, ":"); !ok || tag == "latest" {
				t.Errorf("service %s: image %q is not pinned to a tag", s.Name, s.Image)
			}
		}
		for _, p := range s.Ports {
			if p.HostIP != "127.0.0.1" {
				t.Errorf("service %s publishes port %s beyond loopback", s.Name, p.Published)
			}
		}
		for _, v := range s.Volumes {
			if v.Type == types.VolumeTypeVolume && v.Source == "" {
				t.Errorf("service %s: %s is an unnamed volume", s.Name, v.Target)
			}
			if v.Type == types.VolumeTypeBind {
				if _, err := os.Stat(v.Source); err != nil {
					t.Errorf("service %s mounts what is not there: %v", s.Name, err)
				}
			}
		}
	}
	for _, name := range []string{"kafka", "postgres", "grafana", "api"} {
		s, err := project.GetService(name)
		if err == nil && s.HealthCheck == nil {
			t.Errorf("service %s has no health check", name)
		}
	}
	for _, name := range []string{"kafka-data", "postgres-data", "grafana-data"} {
		if _, ok := project.Volumes[name]; !ok {
			t.Errorf("volume %s is not declared", name)
		}
	}
}

// TestComposeNeedsPasswords checks that the stack refuses to start with default passwords.
func TestComposeNeedsPasswords(t *testing.T) {
	t.Parallel()
	options, err := cli.NewProjectOptions([]string{filepath.Join(root, "docker-compose.yml")}, cli.WithEnv(nil), cli.WithName("test"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := options.LoadProject(context.Background()); err == nil || !strings.Contains(err.Error(), "POSTGRES_PASSWORD") {
		t.Errorf("loading without passwords: got %v, want an error that names POSTGRES_PASSWORD", err)
	}
}

// TestEnvExample checks that .env.example names exactly the variables that docker-compose.yml asks for.
func TestEnvExample(t *testing.T) {
	t.Parallel()
	compose, err := os.ReadFile(filepath.Join(root, "docker-compose.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var asked []string
	for rest := string(compose); ; {
		_, after, ok := strings.Cut(rest, "${")
		if !ok {
			break
		}
		name := after[:strings.IndexAny(after, ":}")]
		if !slices.Contains(asked, name) {
			asked = append(asked, name)
		}
		rest = after
	}
	var given []string
	for _, assignment := range exampleEnv(t) {
		name, _, _ := strings.Cut(assignment, "=")
		given = append(given, name)
	}
	slices.Sort(asked)
	slices.Sort(given)
	if !slices.Equal(asked, given) {
		t.Errorf(".env.example gives %v, docker-compose.yml asks for %v", given, asked)
	}
}
