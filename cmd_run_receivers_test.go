//go:build receivers

package main

import (
	"fmt"
	"testing"
	"time"

	"anomalystream/internal/kafkatest"
	"anomalystream/internal/realreceivers"
	"anomalystream/streams"
)

// TestRunAlertmanager takes an incident from the topic by a route to a real Alertmanager: it is one alert until it is over.
func TestRunAlertmanager(t *testing.T) {
	t.Parallel()
	am := realreceivers.StartAlertmanager(t, "http://127.0.0.1:9/nobody")
	w := newWorld(t, apiStreams+fmt.Sprintf(`
notify:
  link: https://as.example.com
  routes:
    on-call: {kind: alertmanager, url_file: %q, group_wait: 0, repeat: 5m, limit: {messages: 0}}
`, writeFile(t, am.URL+"\n")))
	w.must("topics", "create")
	run := w.start("run", "--roles", "incidents,api")
	client{t, run.url()}.awaitReady()
	w.awaitRoutes()
	i := &streams.Incident{
		ID: "alpha-0-0", Stream: "alpha", Entity: "host/0", Kind: streams.KindModel, Start: time.Now().UTC(), Sentence: "a is odd.",
	}
	fingerprint := ""
	for n, change := range []string{streams.ChangeOpened, streams.ChangeExtended, streams.ChangeWorsened, streams.ChangeRecovered} {
		i.Revision, i.Change, i.Status, i.PeakSeverity = int64(n+1), change, streams.StatusOpen, float64(n+1)
		if change == streams.ChangeRecovered {
			i.Status = streams.StatusRecovered
		}
		w.publishIncident(i)
		kafkatest.Eventually(t, kafkatest.Deadline, func() error {
			list := am.Alerts()
			if change == streams.ChangeRecovered {
				if len(list) > 0 {
					return fmt.Errorf("after the recovery the alerts are %+v", list)
				}
				return nil
			}
			told := map[string]string{streams.ChangeOpened: "opened 1", streams.ChangeExtended: "opened 1", streams.ChangeWorsened: "worsened 3"}[change]
			if len(list) != 1 || list[0].Annotations["event"]+" "+list[0].Annotations["peak_severity"] != told {
				return fmt.Errorf("after %s the alerts are %+v, want one that says %s", change, list, told)
			}
			if got := list[0]; got.Labels["entity"] != "host/0" || got.GeneratorURL != "https://as.example.com/#/incidents/alpha-0-0" || fingerprint != "" && got.Fingerprint != fingerprint {
				t.Errorf("after %s the alert is %+v", change, got)
			}
			fingerprint = list[0].Fingerprint
			return nil
		})
	}
}
