//go:build fixtures

package backtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestIncidentQuality prints the table of docs/incidents.md: what people would have been told of every labelled set, with the
// default policy. It holds that there is much less to read than anomalies, and that the sets where events are many rows long
// lose at most half of what anomalies find.
func TestIncidentQuality(t *testing.T) {
	root := os.Getenv("EVAL_DIR")
	if root == "" {
		t.Fatal("EVAL_DIR is not set")
	}
	t.Log("| set | anomalies | incidents | notifications | anomalies per incident | false incidents a day | events found by anomalies | by incidents |")
	t.Log("|---|---|---|---|---|---|---|---|")
	seen := map[string]bool{}
	for _, d := range domains() {
		if d.set == "synthetic" && d.rate != 0.01 {
			continue
		}
		name := strings.TrimSuffix(d.set+" "+d.files, " ")
		if seen[name] {
			continue
		}
		seen[name] = true
		t.Run(name, func(t *testing.T) {
			r, err := Run(t.Context(), d.options(t, filepath.Join(root, "data", d.set), 0))
			if err != nil {
				t.Fatal(err)
			}
			total := &r.Runs[0].Total
			i := total.Incidents
			t.Logf("| %s | %d | %d | %d | %.1f | %s | %s | %s |", name, total.Anomalies, i.Incidents, i.Notifications,
				float64(total.Anomalies)/float64(max(i.Incidents, 1)), i.FalsePerDay.Format(2), total.Metrics.Recall.Format(2), i.Recall.Format(2))
			if i.Incidents == 0 || 2*i.Incidents > total.Anomalies || i.Notifications > 2*i.Incidents {
				t.Errorf("%d anomalies became %d incidents and %d notifications", total.Anomalies, i.Incidents, i.Notifications)
			}
			if lasting := map[string]bool{"nab": true, "asd": true, "cloud": true, "skab": true}; lasting[d.set] && i.Recall < total.Metrics.Recall/2 {
				t.Errorf("incidents find %s of the events, anomalies %s", i.Recall.Format(2), total.Metrics.Recall.Format(2))
			}
		})
	}
}
