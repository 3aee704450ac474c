package main

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"anomalystream/internal/kafkatest"
	"anomalystream/streams"
)

// TestGuardsAtRunTime sets rules and a maintenance window over the API: they reach the detectors, what they did can be listed,
// and they hold after a restart too.
func TestGuardsAtRunTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t, `  alpha: {features: [a, b], time: at, rules: [{name: file, field: b, max: 100}], late: {after: 1h, policy: topic}}
`)
	w.must("topics", "create")
	run := w.start("run")
	c := client{t, run.url()}
	c.awaitReady()
	at := time.Date(2026, 3, 29, 0, 0, 0, 0, time.UTC)
	send := func(a, b float64) {
		at = at.Add(time.Second)
		c.call(http.StatusAccepted, "POST", "/api/streams/alpha/events?key=k", fmt.Sprintf(`{"a":%g,"b":%g,"at":%q}`, a, b, at.Format(time.RFC3339)), nil)
	}
	// await sends events outside of a's range until the list has one more than before.
	await := func(query string) streams.StoredAnomaly {
		t.Helper()
		before := len(c.list(query + "&limit=1000").Items)
		kafkatest.Eventually(t, kafkatest.Deadline, func() error {
			send(7, 1)
			if n := len(c.list(query + "&limit=1000").Items); n <= before {
				return fmt.Errorf("%d anomalies for %s", n, query)
			}
			return nil
		})
		return c.list(query + "&sort=newest").Items[0]
	}
	send(1, 101)
	kafkatest.Eventually(t, kafkatest.Deadline, func() error {
		if l := c.list("kind=rule"); len(l.Items) != 1 || l.Items[0].Why.Sentence != "b 101 is above the rule's maximum 100 (rule file)." {
			return fmt.Errorf("anomalies of the file's rule: %+v", l.Items)
		}
		return nil
	})
	var rules struct {
		Items   []streams.Rule
		Changed bool
	}
	c.call(http.StatusOK, "PUT", "/api/streams/alpha/rules", `{"items":[{"name":"api","field":"a","entity":"k*","max":5}]}`, nil)
	if a := await("kind=rule"); a.Why.Sentence != "a 7 is above the rule's maximum 5 (rule api)." || a.Suppressed != "" {
		t.Errorf("got %+v", a)
	}
	c.call(http.StatusOK, "PUT", "/api/maintenance", `{"items":[{"name":"night","streams":["alpha"],"cron":"30 2 * * *","duration":"1h","timezone":"Europe/Berlin"}]}`, nil)
	at = time.Date(2026, 3, 29, 1, 0, 0, 0, time.UTC) // The clock goes forward: 02:30 is now.
	if a := await("suppressed=true"); a.Suppressed != "window:night" || a.Kind != streams.KindRule {
		t.Errorf("got %+v", a)
	}
	at = time.Date(2026, 3, 29, 2, 0, 0, 0, time.UTC)
	await("suppressed=false")

	run.end()
	c = client{t, w.start("run").url()}
	c.awaitReady()
	if c.call(http.StatusOK, "GET", "/api/streams/alpha/rules", "", &rules); !rules.Changed || len(rules.Items) != 1 || *rules.Items[0].Max != 5 {
		t.Errorf("after the restart: %+v", rules)
	}
	at = time.Date(2026, 3, 30, 0, 30, 0, 0, time.UTC)
	if a := await("suppressed=true"); a.Why.Sentence != "a 7 is above the rule's maximum 5 (rule api)." {
		t.Errorf("got %+v", a)
	}

	// Taken back, the file's rules hold again, and no window.
	var windows struct{ Items []streams.Window }
	c.call(http.StatusOK, "DELETE", "/api/streams/alpha/rules", "", nil)
	if c.call(http.StatusOK, "DELETE", "/api/maintenance", "", &windows); len(windows.Items) != 0 {
		t.Errorf("windows of a configuration without any: %+v", windows)
	}
	kafkatest.Eventually(t, kafkatest.Deadline, func() error {
		send(7, 101)
		l := c.list("sort=newest&limit=1")
		if len(l.Items) != 1 || l.Items[0].Why.Sentence != "b 101 is above the rule's maximum 100 (rule file)." || l.Items[0].Suppressed != "" {
			return fmt.Errorf("the newest anomaly: %+v", l.Items)
		}
		return nil
	})

	// An event of the day before goes to the topic "late", and its sender's rules do not see it.
	at = time.Date(2026, 3, 29, 12, 0, 0, 0, time.UTC)
	send(99, 99)
	kafkatest.Eventually(t, kafkatest.Deadline, func() error {
		var status streams.DetectorStatus
		c.call(http.StatusOK, "GET", "/api/streams/alpha/detectors/k", "", &status)
		late := w.letters(w.topics.Late())
		if status.Late != 1 || len(late) != 1 || late[0].Code != streams.CodeLate || late[0].Stage != "detect" || string(late[0].Key) != "k" ||
			!strings.HasPrefix(string(late[0].Value), `{"a":99,`) || len(w.deadLetters()) != 0 {
			return fmt.Errorf("%d late events, the topic has %+v", status.Late, late)
		}
		return nil
	})
}
