package notify

import (
	"strings"
	"testing"

	"anomalystream/streams"
)

func render(t *testing.T, r Route, n *streams.Notification) *message {
	t.Helper()
	renderer, err := newRenderer(r)
	if err != nil {
		t.Fatal(err)
	}
	m, err := renderer.render(n)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestOurTemplates(t *testing.T) {
	t.Parallel()
	link := Route{Link: "https://as.example.com"}
	outlasted, one := sample(streams.KindSilent, streams.NotifyRecovered), opening()
	outlasted.Incident.Change = streams.ChangeOutlasted
	*one.Incident = streams.Incident{Stream: "sample", Entity: "web-1", Sentence: "one", Start: one.Incident.Start, Anomalies: 1}
	for want, m := range map[string]*message{
		`Anomaly: sample web-1
This is a sample: latency_ms is 912, above the usual 52 (70 % of the reason).
Since 2026-03-01 11:50:00 UTC, 3 anomalies, severity up to 7.0.
- latency_ms: 70 % of the reason
- error_rate: 30 % of the reason
https://as.example.com/#/incidents/sample-0-1`: render(t, link, opening()),
		`Recovered: sample web-1
This is a sample: web-1 has been silent for 10 minutes, usually it sends every 5 seconds.
Since 2026-03-01 11:50:00 UTC.`: render(t, Route{}, sample(streams.KindSilent, streams.NotifyRecovered)),
		`No longer followed: sample web-1
This is a sample: web-1 has been silent for 10 minutes, usually it sends every 5 seconds.
Since 2026-03-01 11:50:00 UTC.`: render(t, Route{}, outlasted),
		`Anomaly: sample web-1
one
Since 2026-03-01 11:50:00 UTC, 1 anomaly.`: render(t, Route{}, one),
		`Anomaly: sample
This is a sample: 2 of 3 entities, latency_ms first.
Since 2026-03-01 11:50:00 UTC, 3 anomalies, severity up to 7.0, 2 of 3 entities.
- latency_ms: 70 % of the reason
- error_rate: 30 % of the reason`: render(t, Route{}, sample(streams.KindGroup, streams.NotifyOpened)),
		`42 messages held back: 30 opened, 0 worsened, 12 recovered, 0 repeated
From 2026-03-01 11:00:00 to 12:00:00 UTC the rate limit of this route held messages back. The largest:
- opened: s web-1: it is odd
https://as.example.com/#/incidents`: render(t, link, digest()),
	} {
		if got := m.Title + "\n" + m.Text; got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	}
}

func TestCheckTemplate(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{{.Stream}} {{.Peak}} {{.Labels.team}} {{range .Members}}{{.Entity}}{{end}} {{.Open}} {{percent 0.5}}`: "",
		`{{with .Peak}}{{.Score}}{{end}}`:         "",
		`{{.Peak.Score}}`:                         "for an incident of kind silent",
		`{{.Streem}}`:                             `title:1:2: executing "title" at <.Streem>: can't evaluate field Streem`,
		"a\n{{range .Members}}{{.Nobody}}{{end}}": "title:2:20",
		`{{.Labels.taem}}`:                        "taem",
		`{{.Stream`:                               "title:1",
		`{{shout .Stream}}`:                       `function "shout" not defined`,
		`{{template "title" .}}`:                  "exceeded maximum template depth",
		`{{range .Members}}{{printf "%1000000d" 1}}{{end}}`: "more than",
	} {
		err := CheckTemplate("title", text, []string{"team"})
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
	if err := CheckTemplate("title", defaultTitle, nil); err != nil {
		t.Error(err)
	}
	if err := CheckTemplate("template", defaultText, nil); err != nil {
		t.Error(err)
	}
}

// TestTemplateThatFailsIsReplaced: a message nobody sees because of its template would be worse than an ugly one.
func TestTemplateThatFailsIsReplaced(t *testing.T) {
	t.Parallel()
	m := render(t, Route{Title: "{{.Peak.Score}}", Text: "{{.Labels.nobody}}{{index .Members 7}}"}, sample(streams.KindSilent, streams.NotifyOpened))
	if m.Title != "Anomaly: sample web-1" || !strings.HasPrefix(m.Text, "This is a sample") {
		t.Errorf("got %q, %q", m.Title, m.Text)
	}
}

func TestHostileIncident(t *testing.T) {
	t.Parallel()
	n := opening()
	n.Incident.Entity, n.Incident.ID = "a\r\nX-Evil: 1\x00"+strings.Repeat("é", 5000), "../../é /?#"
	n.Incident.Sentence = strings.Repeat("\xff", 200<<10)
	m := render(t, Route{Link: "https://as.example.com"}, n)
	if len(m.Title) > maxTitle || strings.ContainsAny(m.Title, "\r\n\x00") || len(m.Text) > maxText {
		t.Errorf("got a title of %d bytes and a text of %d: %q", len(m.Title), len(m.Text), m.Title)
	}
	if want := "https://as.example.com/#/incidents/..%2F..%2F%C3%A9%20%2F%3F%23"; m.Link != want {
		t.Errorf("got the link %s, want %s", m.Link, want)
	}
}
