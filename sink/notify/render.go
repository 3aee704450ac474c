package notify

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"text/template"
	"time"
	"unicode/utf8"

	"anomalystream/streams"
)

// View is what a template sees: every field of the incident, and what the notification adds.
type View struct {
	*streams.Incident
	Key      string            // Idempotency key of the message.
	Route    string            // Name of the route.
	Event    string            // opened, worsened, recovered or repeated.
	Repeat   int               // Number of a repetition, from 1.
	At       time.Time         // When the message was planned, UTC.
	Labels   map[string]string // Of the stream; a label it does not have is "".
	Link     string            // To the incident on the page, "" where the address of the page is not configured.
	Duration time.Duration     // From the start to the end, or to the latest anomaly, in whole seconds.
}

// Bounds of what a template makes, in bytes.
const (
	maxTitle = 300
	maxText  = 64 << 10
)

// Our templates.
const (
	defaultTitle = `{{if eq .Event "opened"}}Anomaly{{else if eq .Event "worsened"}}Worse{{else if eq .Change "outlasted"}}No longer followed{{else if eq .Event "recovered"}}Recovered{{else}}Still going on{{end}}: {{.Stream}}{{with .Entity}} {{.}}{{end}}`
	defaultText  = `{{.Sentence}}
Since {{.Start.Format "2006-01-02 15:04:05 MST"}}{{with .Anomalies}}, {{.}} {{if eq . 1}}anomaly{{else}}anomalies{{end}}{{end}}{{with .PeakSeverity}}, severity up to {{printf "%.1f" .}}{{end}}
{{- if gt .EntityCount 0}}, {{.MemberCount}} of {{.EntityCount}} entities{{end}}.
{{- range $i, $f := .Features}}{{if lt $i 3}}
- {{$f.Feature}}: {{printf "%.0f" (percent $f.Share)}} % of the reason{{end}}{{end}}
{{- with .Link}}
{{.}}{{end}}`
)

// functions are what templates may call beside the ones of Go.
var functions = template.FuncMap{"percent": func(share float64) float64 { return 100 * share }}

// renderer makes messages of notifications.
type renderer struct {
	link        string
	title, text *template.Template
	plainTitle  *template.Template // Ours, for incidents with which those of the route fail.
	plainText   *template.Template
}

func newRenderer(r Route) (*renderer, error) {
	out := &renderer{link: strings.TrimRight(r.Link, "/")}
	for _, t := range []struct {
		to               **template.Template
		name, text, ours string
	}{
		{&out.title, "title", r.Title, defaultTitle}, {&out.text, "template", r.Text, defaultText},
		{&out.plainTitle, "title", "", defaultTitle}, {&out.plainText, "template", "", defaultText},
	} {
		if t.text == "" {
			t.text = t.ours
		}
		parsed, err := template.New(t.name).Funcs(functions).Option("missingkey=zero").Parse(t.text)
		if err != nil {
			return nil, templateError(err)
		}
		*t.to = parsed
	}
	return out, nil
}

// CheckTemplate executes a template against sample incidents of every kind, in which labels with the given names are set, and
// returns what is wrong with it. name is "title" or "template".
func CheckTemplate(name, text string, labels []string) error {
	t, err := template.New(name).Funcs(functions).Option("missingkey=error").Parse(text)
	if err != nil {
		return templateError(err)
	}
	r, err := newRenderer(Route{Link: "https://anomalystream.example.com"})
	if err != nil {
		return err
	}
	for _, n := range Samples("sample", time.Now()) {
		n.Labels = map[string]string{}
		for _, l := range labels {
			n.Labels[l] = "sample"
		}
		if _, err := execute(t, r.view(&n), maxText); err != nil {
			return fmt.Errorf("for an incident of kind %s that is %s: %w", n.Incident.Kind, n.Incident.Status, templateError(err))
		}
	}
	return nil
}

// templateError strips what says the same twice from an error of text/template: "template: title:1:2: executing ...".
func templateError(err error) error {
	text := strings.TrimPrefix(err.Error(), "template: ")
	return errors.New(text)
}

// render makes a message. A template that fails for an incident nobody has thought of is replaced by ours: the message counts.
func (r *renderer) render(n *streams.Notification) (*message, error) {
	m := &message{Notification: n, Link: r.linkTo(n)}
	if n.Digest != nil {
		m.Title, m.Text = digestTitle(n.Digest), r.digestText(n.Digest)
		return m, nil
	}
	if n.Incident == nil {
		return nil, &Failure{Permanent: true, Err: errors.New("it holds no incident and no digest")}
	}
	v := r.view(n)
	var err error
	if m.Title, err = either(r.title, r.plainTitle, v, maxTitle); err == nil {
		m.Text, err = either(r.text, r.plainText, v, maxText)
	}
	if err != nil {
		return nil, &Failure{Permanent: true, Err: err}
	}
	m.Title = oneLine(m.Title, maxTitle)
	return m, nil
}

func either(t, plain *template.Template, v View, most int) (string, error) {
	text, err := execute(t, v, most)
	if err != nil && !errors.Is(err, errTooLong) {
		text, err = execute(plain, v, most)
	}
	if errors.Is(err, errTooLong) {
		err = nil
	}
	return text, err
}

func (r *renderer) view(n *streams.Notification) View {
	i := n.Incident
	end := i.Latest
	if i.End != nil {
		end = *i.End
	}
	return View{
		Incident: i, Key: n.Key, Route: n.Route, Event: n.Event, Repeat: n.Repeat, At: n.At, Labels: n.Labels, Link: r.linkTo(n),
		Duration: max(end.Sub(i.Start), 0).Truncate(time.Second),
	}
}

// linkTo is the address of the incident on the page.
func (r *renderer) linkTo(n *streams.Notification) string {
	switch {
	case r.link == "":
		return ""
	case n.Incident == nil:
		return r.link + "/#/incidents"
	}
	return r.link + "/#/incidents/" + url.PathEscape(n.Incident.ID)
}

// execute runs a template and clips what it makes. With errTooLong it returns the beginning.
func execute(t *template.Template, v View, most int) (string, error) {
	var b bounded
	err := t.Execute(&b, v)
	if err != nil && !errors.Is(err, errTooLong) {
		return "", err
	}
	return clip(strings.TrimSpace(strings.ToValidUTF8(b.String(), "\ufffd")), most), err
}

// errTooLong is returned for a template that makes more than anybody would read.
var errTooLong = fmt.Errorf("it makes more than %d bytes", maxMade)

// maxMade bounds what is kept of what a template makes, before white space is taken off.
const maxMade = 2 * maxText

// bounded is a buffer that does not grow without end.
type bounded struct{ bytes.Buffer }

func (b *bounded) Write(p []byte) (int, error) {
	if room := maxMade - b.Len(); len(p) > room {
		b.Buffer.Write(p[:room])
		return room, errTooLong
	}
	return b.Buffer.Write(p)
}

// clip shortens a text at the end of a character.
func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	n := most - len("…")
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

func digestTitle(d *streams.Digest) string {
	return fmt.Sprintf("%d messages held back: %d opened, %d worsened, %d recovered, %d repeated", d.Counts.Total(), d.Counts.Opened, d.Counts.Worsened, d.Counts.Recovered, d.Counts.Repeated)
}

func (r *renderer) digestText(d *streams.Digest) string {
	var b strings.Builder
	fmt.Fprintf(&b, "From %s to %s the rate limit of this route held messages back. The largest:", d.From.Format("2006-01-02 15:04:05"), d.To.Format("15:04:05 MST"))
	for _, e := range d.Largest {
		fmt.Fprintf(&b, "\n- %s: %s", e.Event, strings.TrimSpace(e.Stream+" "+e.Entity))
		if e.Sentence != "" {
			b.WriteString(": " + e.Sentence)
		}
	}
	if r.link != "" {
		b.WriteString("\n" + r.link + "/#/incidents")
	}
	return b.String()
}
