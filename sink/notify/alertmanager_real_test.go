//go:build receivers

package notify

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"anomalystream/internal/kafkatest"
	"anomalystream/internal/realreceivers"
	"anomalystream/streams"
)

// startAlertmanager starts an Alertmanager and returns it with the receiver that it tells of alerts.
func startAlertmanager(t *testing.T) (*realreceivers.Alertmanager, *receiver) {
	t.Helper()
	r := newReceiver(t, fine)
	return realreceivers.StartAlertmanager(t, r.URL), r
}

// hear returns what Alertmanager tells next: here always about one alert.
func (r *receiver) hear(t *testing.T) (status string, a realreceivers.Alert) {
	t.Helper()
	var what struct {
		Status string
		Alerts []struct {
			Fingerprint         string
			Labels, Annotations map[string]string
		}
	}
	select {
	case got := <-r.requests:
		if err := json.Unmarshal([]byte(got.text), &what); err != nil || len(what.Alerts) != 1 {
			t.Fatalf("Alertmanager tells %s: %v", got.text, err)
		}
	case <-time.After(kafkatest.Deadline):
		t.Fatal("Alertmanager tells nothing")
	}
	a.Fingerprint, a.Labels, a.Annotations = what.Alerts[0].Fingerprint, what.Alerts[0].Labels, what.Alerts[0].Annotations
	return what.Status, a
}

// event is a notification of now about an incident that began ten minutes ago.
func event(kind, what, id string, revision int64) *streams.Notification {
	for _, n := range Samples("team", time.Now()) {
		if event := what; n.Incident.Kind == kind && (n.Event == event || n.Event == streams.NotifyOpened && event != streams.NotifyRecovered) {
			n.Event, n.Labels = event, map[string]string{"team": "web", "none": ""}
			n.Incident.ID, n.Incident.Revision = id, revision
			n.Key = streams.NotificationKey("team", id, fmt.Sprint(revision), event)
			return &n
		}
	}
	panic("no such sample")
}

// TestAlertmanagerTakesAnIncident follows one through its life: it is one alert, which people hear of once when it begins and
// once when it is over.
func TestAlertmanagerTakesAnIncident(t *testing.T) {
	am, said := startAlertmanager(t)
	target := open(t, Route{Kind: KindAlertmanager, URL: am.URL, Link: "https://as.example.com"})
	fingerprint := ""
	for i, what := range []string{streams.NotifyOpened, streams.NotifyWorsened, streams.NotifyRepeated} {
		n := event(streams.KindModel, what, "web-0-1", int64(i+1))
		n.Incident.PeakSeverity = float64(7 * (i + 1))
		if err := target.Send(t.Context(), n); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		list := am.Alerts()
		if len(list) != 1 {
			t.Fatalf("%s: Alertmanager has %d alerts, want one: %+v", what, len(list), list)
		}
		got := list[0]
		if want := map[string]string{"alertname": "AnomalystreamIncident", "incident": "web-0-1", "stream": "sample", "entity": "web-1", "kind": "model", "team": "web"}; !maps.Equal(got.Labels, want) {
			t.Errorf("%s: the labels are %v, want %v", what, got.Labels, want)
		}
		a := got.Annotations
		if a["event"] != what || a["key"] != n.Key || a["peak_severity"] != fmt.Sprint(7*(i+1)) || !strings.HasSuffix(a["summary"], ": sample web-1") || !strings.Contains(a["description"], "latency_ms is 912") {
			t.Errorf("%s: the annotations are %v", what, a)
		}
		if got.GeneratorURL != "https://as.example.com/#/incidents/web-0-1" {
			t.Errorf("%s: the link is %s", what, got.GeneratorURL)
		}
		if left := time.Until(got.EndsAt); left < 23*time.Hour || time.Since(got.StartsAt) < 9*time.Minute {
			t.Errorf("%s: the alert is from %s to %s", what, got.StartsAt, got.EndsAt)
		}
		if fingerprint == "" {
			fingerprint = got.Fingerprint
			if status, a := said.hear(t); status != "firing" || a.Fingerprint != fingerprint || a.Annotations["event"] != streams.NotifyOpened {
				t.Errorf("people hear %s, %+v", status, a)
			}
		}
		if got.Fingerprint != fingerprint {
			t.Errorf("%s: another alert: the fingerprint is %s, was %s", what, got.Fingerprint, fingerprint)
		}
	}
	if err := target.Send(t.Context(), event(streams.KindModel, streams.NotifyRecovered, "web-0-1", 4)); err != nil {
		t.Fatal(err)
	}
	if list := am.Alerts(); len(list) > 0 {
		t.Errorf("after the recovery Alertmanager has %+v", list)
	}
	if status, a := said.hear(t); status != "resolved" || a.Fingerprint != fingerprint || a.Annotations["event"] != streams.NotifyRecovered {
		t.Errorf("people hear %s, %+v", status, a)
	}
}

// TestAlertmanagerTakesEveryMessage: of every kind, with whatever names and times it comes; each is an alert of its own.
func TestAlertmanagerTakesEveryMessage(t *testing.T) {
	am, _ := startAlertmanager(t)
	target := open(t, Route{Kind: KindAlertmanager, URL: am.URL, Link: "https://as.example.com"})
	change := map[string]func(*streams.Notification){
		"hostile names": func(n *streams.Notification) {
			n.Incident.Entity, n.Incident.Sentence = "a\"b\\c\n\x00\xff{}\u2028="+strings.Repeat("é", 5000), strings.Repeat("\xff<", 100<<10)
		},
		"an hour ahead": func(n *streams.Notification) {
			end := n.Incident.Start.Add(time.Hour + 10*time.Minute)
			n.Incident.Start, n.Incident.Latest = n.Incident.Start.Add(time.Hour), end
			if n.Incident.End != nil {
				n.Incident.End = &end
			}
		},
		"a moment": func(n *streams.Notification) { n.Incident.Start = n.At; n.Incident.End = nil },
		// The receiver was away for longer than an alert lasts.
		"three days late": func(n *streams.Notification) {
			n.At, n.Incident.Start, n.Incident.End = n.At.Add(-72*time.Hour), n.Incident.Start.Add(-72*time.Hour), nil
		},
		"link of a member": func(n *streams.Notification) { n.Incident.ID = "../../é /?#%zz" },
	}
	for _, kind := range []string{streams.KindModel, streams.KindRule, streams.KindStuck, streams.KindSilent, streams.KindGroup} {
		change["kind "+kind] = func(n *streams.Notification) { n.Incident.Kind = kind }
	}
	for name, change := range change {
		for i, what := range []string{streams.NotifyOpened, streams.NotifyRecovered} {
			n := event(streams.KindModel, what, name, int64(i+1))
			change(n)
			if err := target.Send(t.Context(), n); err != nil {
				t.Errorf("%s, %s: %v", name, what, err)
			}
			firing := slices.ContainsFunc(am.Alerts(), func(a realreceivers.Alert) bool { return a.Labels["incident"] == n.Incident.ID })
			if want := what == streams.NotifyOpened; firing != want {
				t.Errorf("%s, %s: the alert fires: %v, want %v", name, what, firing, want)
			}
		}
	}
}

// TestAlertmanagerTakesDigests: each is told, also the second of an hour and one that had to wait for hours.
func TestAlertmanagerTakesDigests(t *testing.T) {
	am, said := startAlertmanager(t)
	target := open(t, Route{Kind: KindAlertmanager, URL: am.URL, Link: "https://as.example.com"})
	for i, age := range []time.Duration{5 * time.Hour, 10 * time.Minute, 0} {
		n := digest()
		n.At = time.Now().Add(-age)
		n.Digest.From, n.Digest.To, n.Key = n.At.Add(-10*time.Minute), n.At, streams.NotificationKey("digest", fmt.Sprint(i))
		for range 2 { // At least once.
			if err := target.Send(t.Context(), n); err != nil {
				t.Fatal(err)
			}
		}
		status, a := said.hear(t)
		if status != "firing" || a.Annotations["key"] != n.Key || a.Annotations["summary"] != "42 messages held back: 30 opened, 0 worsened, 12 recovered, 0 repeated" || a.Labels["route"] != "team" {
			t.Errorf("digest %d: people hear %s, %+v", i, status, a)
		}
	}
}

// TestAlertmanagerSilences: whom people have silenced stays silent, whatever becomes of it, and nobody else.
func TestAlertmanagerSilences(t *testing.T) {
	am, said := startAlertmanager(t)
	target := open(t, Route{Kind: KindAlertmanager, URL: am.URL})
	silence := am.Silence("entity", "web-1")
	for i, what := range []string{streams.NotifyOpened, streams.NotifyWorsened, streams.NotifyRepeated} {
		if err := target.Send(t.Context(), event(streams.KindModel, what, "known", int64(i+1))); err != nil {
			t.Fatal(err)
		}
		kafkatest.Eventually(t, kafkatest.Deadline, func() error {
			list := am.Alerts()
			if len(list) != 1 || list[0].Status.State != "suppressed" || !slices.Equal(list[0].Status.SilencedBy, []string{silence}) {
				return fmt.Errorf("%s: Alertmanager has %+v, want one silenced alert", what, list)
			}
			return nil
		})
	}
	other := event(streams.KindModel, streams.NotifyOpened, "other", 1)
	other.Incident.Entity = "web-2"
	for _, n := range []*streams.Notification{event(streams.KindModel, streams.NotifyRecovered, "known", 4), other} {
		if err := target.Send(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}
	if status, a := said.hear(t); status != "firing" || a.Labels["incident"] != "other" {
		t.Errorf("people hear %s, %+v, want only of the other entity", status, a)
	}
}

// TestAlertmanagerComesBack: what is told while it is away arrives later. What it knew it has forgotten, since it keeps alerts in
// memory; the next repetition tells it again.
func TestAlertmanagerComesBack(t *testing.T) {
	am, said := startAlertmanager(t)
	broker := start(t)
	deliver(t, broker, Route{Name: "team", Kind: KindAlertmanager, URL: am.URL}, nil)
	tell := func(what, id string, revision int64) {
		n := event(streams.KindModel, what, id, revision)
		b, err := streams.MarshalNotification(n)
		if err != nil {
			t.Fatal(err)
		}
		record, _ := planned(t, "team", id)
		record.Value = b
		broker.Produce(record)
	}
	expect := func(when string, ids ...string) (out []string) {
		t.Helper()
		kafkatest.Eventually(t, kafkatest.Deadline, func() error {
			var got []string
			out = nil
			for _, a := range am.Alerts() {
				got, out = append(got, a.Labels["incident"]), append(out, a.Fingerprint)
			}
			if slices.Sort(got); !slices.Equal(got, ids) {
				return fmt.Errorf("%s Alertmanager has the alerts %v, want %v", when, got, ids)
			}
			return nil
		})
		return out
	}
	tell(streams.NotifyOpened, "early", 1)
	before := expect("at first", "early")
	said.hear(t)
	am.Kill()
	tell(streams.NotifyOpened, "while-away", 1)
	kafkatest.Elapse(2 * time.Second)
	am.Restart()
	expect("after the outage", "while-away")
	if status, a := said.hear(t); status != "firing" || a.Labels["incident"] != "while-away" {
		t.Errorf("people hear %s, %+v", status, a)
	}
	tell(streams.NotifyRepeated, "early", 1)
	tell(streams.NotifyRecovered, "while-away", 2)
	if after := expect("after the repetition", "early"); !slices.Equal(after, before) {
		t.Errorf("the repetition makes the alert %v, want %v", after, before)
	}
	tell(streams.NotifyRecovered, "early", 2)
	expect("in the end")
	if n := len(broker.ReadAll(names.DeadLetters())); n > 0 {
		t.Errorf("%d messages are dead letters", n)
	}
}

// TestAlertmanagerRefuses: an address that is none of its API is found at once.
func TestAlertmanagerRefuses(t *testing.T) {
	am, _ := startAlertmanager(t)
	err := open(t, Route{Kind: KindAlertmanager, URL: am.URL + "/elsewhere"}).Send(t.Context(), opening())
	if !isPermanent(err) || !strings.Contains(err.Error(), fmt.Sprint(http.StatusNotFound)) {
		t.Errorf("got %v", err)
	}
}
