//go:build unix

package realreceivers

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"anomalystream/internal/freeport"
)

const alertmanagerVersion = "v0.28.1"

// Alertmanager is a running Prometheus Alertmanager that tells a webhook of every alert, one by one and without waiting.
type Alertmanager struct{ program }

// Alert is an alert as Alertmanager lists it.
type Alert struct {
	Fingerprint  string            `json:"fingerprint"`
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt"`
	GeneratorURL string            `json:"generatorURL"`
	Status       struct {
		State      string   `json:"state"` // active or suppressed
		SilencedBy []string `json:"silencedBy"`
	} `json:"status"`
}

// StartAlertmanager starts an Alertmanager whose receiver is the webhook at this address.
func StartAlertmanager(t testing.TB, webhook string) *Alertmanager {
	t.Helper()
	binary := goProgram(t, "github.com/prometheus/alertmanager/cmd/alertmanager", alertmanagerVersion)
	dir, address := t.TempDir(), freeport.Address(t)
	config := fmt.Sprintf(`
route: {receiver: team, group_by: ['...'], group_wait: 100ms, group_interval: 1s, repeat_interval: 1h}
receivers:
  - name: team
    webhook_configs: [{url: %q, send_resolved: true}]
`, webhook)
	file := filepath.Join(dir, "alertmanager.yml")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	a := &Alertmanager{program{t: t, URL: "http://" + address, dir: dir, healthy: "/-/ready", command: []string{
		binary, "--config.file=" + file, "--storage.path=" + filepath.Join(dir, "data"), "--web.listen-address=" + address,
		"--cluster.listen-address=", // No gossip.
	}}}
	a.launch()
	return a
}

// Alerts lists what is firing, silenced or not.
func (a *Alertmanager) Alerts() []Alert {
	a.t.Helper()
	var out []Alert
	a.call("GET", "/api/v2/alerts", "", nil, &out)
	return out
}

// Silence silences what carries this label, for an hour, and returns the silence's id.
func (a *Alertmanager) Silence(label, value string) string {
	a.t.Helper()
	now := time.Now().UTC()
	var out struct {
		ID string `json:"silenceID"`
	}
	a.call("POST", "/api/v2/silences", "", map[string]any{
		"matchers": []map[string]any{{"name": label, "value": value, "isRegex": false, "isEqual": true}},
		"startsAt": now, "endsAt": now.Add(time.Hour), "createdBy": "test", "comment": "known",
	}, &out)
	return out.ID
}
