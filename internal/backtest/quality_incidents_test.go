//go:build fixtures

package backtest

import (
	"cmp"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"anomalystream/internal/evaluate"
)

// TestIncidentQuality prints the table of docs/incidents.md: what people would have been told of every labelled set, with the
// default policy. It holds that there is much less to read than anomalies, and that incidents find most of the events that
// anomalies find, where these are many rows long.
//
// EVAL_DIR names the folder with data/. SEEDS lists the seeds, 0 by default: the figures are means. POLICY changes the policy,
// as YAML: {open_after: 2}; then nothing is held.
func TestIncidentQuality(t *testing.T) {
	root := os.Getenv("EVAL_DIR")
	if root == "" {
		t.Fatal("EVAL_DIR is not set")
	}
	policy := os.Getenv("POLICY")
	seeds := strings.Fields(cmp.Or(os.Getenv("SEEDS"), "0"))
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
			var sum incidentQuality
			for _, text := range seeds {
				seed, err := strconv.ParseUint(text, 10, 64)
				if err != nil {
					t.Fatal(err)
				}
				o := d.options(t, filepath.Join(root, "data", d.set), seed)
				if policy != "" { // Nothing at all would make a policy of zeroes.
					if err := yaml.Unmarshal([]byte(policy), &o.Setups[0].Definition.Incidents); err != nil {
						t.Fatal(err)
					}
				}
				r, err := Run(t.Context(), o)
				if err != nil {
					t.Fatal(err)
				}
				sum.add(&r.Runs[0].Total, float64(len(seeds)))
			}
			t.Logf("| %s | %.0f | %.0f | %.0f | %.1f | %s | %s | %s |", name, sum.anomalies, sum.incidents, sum.notifications,
				sum.anomalies/max(sum.incidents, 1), sum.falsePerDay.Format(2), sum.byAnomalies.Format(2), sum.byIncidents.Format(2))
			if policy != "" {
				return
			}
			if sum.incidents == 0 && d.set != "synthetic" || 2*sum.incidents > sum.anomalies || sum.notifications > 2*sum.incidents {
				t.Errorf("%.0f anomalies became %.0f incidents and %.0f notifications", sum.anomalies, sum.incidents, sum.notifications)
			}
			if lasting := map[string]bool{"nab": true, "asd": true, "cloud": true, "smd": true, "skab": true}; lasting[d.set] && sum.byIncidents < 0.6*sum.byAnomalies {
				t.Errorf("incidents find %s of the events, anomalies %s", sum.byIncidents.Format(2), sum.byAnomalies.Format(2))
			}
		})
	}
}

// incidentQuality are means over seeds.
type incidentQuality struct {
	anomalies, incidents, notifications   float64
	falsePerDay, byAnomalies, byIncidents evaluate.Figure
}

// add counts one seed of n in.
func (q *incidentQuality) add(total *SourceResult, n float64) {
	i := total.Incidents
	q.anomalies += float64(total.Anomalies) / n
	q.incidents += float64(i.Incidents) / n
	q.notifications += float64(i.Notifications) / n
	q.falsePerDay += i.FalsePerDay / evaluate.Figure(n)
	q.byAnomalies += total.Metrics.Recall / evaluate.Figure(n)
	q.byIncidents += i.Recall / evaluate.Figure(n)
}
