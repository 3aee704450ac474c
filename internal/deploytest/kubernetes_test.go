package deploytest

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/goccy/go-yaml"
)

// manifest is what the test reads of a Kubernetes object.
type manifest struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string `yaml:"kind"`
	Metadata   struct {
		Name string `yaml:"name"`
	} `yaml:"metadata"`
	Spec struct {
		ServiceName string `yaml:"serviceName"`
		Selector    struct {
			MatchLabels map[string]string `yaml:"matchLabels"`
		} `yaml:"selector"`
		Template struct {
			Metadata struct {
				Labels map[string]string `yaml:"labels"`
			} `yaml:"metadata"`
			Spec struct {
				Containers []struct {
					Args    []string `yaml:"args"`
					EnvFrom []struct {
						SecretRef struct {
							Name string `yaml:"name"`
						} `yaml:"secretRef"`
					} `yaml:"envFrom"`
				} `yaml:"containers"`
				Volumes []struct {
					ConfigMap struct {
						Name string `yaml:"name"`
					} `yaml:"configMap"`
				} `yaml:"volumes"`
			} `yaml:"spec"`
		} `yaml:"template"`
	} `yaml:"spec"`
}

// TestKubernetes checks that the manifests decode and that everything they refer to is among them.
func TestKubernetes(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(root, "deploy/kubernetes/anomalystream.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	defined := map[string]bool{}
	var workloads []manifest
	for decoder := yaml.NewDecoder(bytes.NewReader(text)); ; {
		var m manifest
		err := decoder.Decode(&m)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if m.APIVersion == "" || m.Metadata.Name == "" || defined[m.Kind+"/"+m.Metadata.Name] {
			t.Errorf("%s %q: no version, no name, or defined twice", m.Kind, m.Metadata.Name)
		}
		defined[m.Kind+"/"+m.Metadata.Name] = true
		if len(m.Spec.Template.Spec.Containers) > 0 {
			workloads = append(workloads, m)
		}
	}
	roles := map[string]bool{}
	for _, m := range workloads {
		for name, value := range m.Spec.Selector.MatchLabels {
			if m.Spec.Template.Metadata.Labels[name] != value {
				t.Errorf("%s: selects %s=%s, its pods do not have it", m.Metadata.Name, name, value)
			}
		}
		if s := m.Spec.ServiceName; s != "" && !defined["Service/"+s] {
			t.Errorf("%s: service %s is not defined", m.Metadata.Name, s)
		}
		for _, v := range m.Spec.Template.Spec.Volumes {
			if !defined["ConfigMap/"+v.ConfigMap.Name] {
				t.Errorf("%s: config map %s is not defined", m.Metadata.Name, v.ConfigMap.Name)
			}
		}
		for _, c := range m.Spec.Template.Spec.Containers {
			for _, e := range c.EnvFrom {
				if !defined["Secret/"+e.SecretRef.Name] {
					t.Errorf("%s: secret %s is not defined", m.Metadata.Name, e.SecretRef.Name)
				}
			}
			i := slices.Index(c.Args, "--roles")
			if i < 0 || i+1 >= len(c.Args) {
				t.Errorf("%s: args %v name no role", m.Metadata.Name, c.Args)
				continue
			}
			roles[c.Args[i+1]] = true
		}
	}
	for _, role := range []string{"detect", "incidents", "sink", "api"} {
		if !roles[role] {
			t.Errorf("no workload runs the role %s", role)
		}
	}
}
