package notify

import (
	"context"
	"encoding/json"
	"maps"
	"net/url"
	"strconv"
	"strings"
	"time"

	"anomalystream/streams"
)

// alertmanager posts alerts to the v2 API of Alertmanager. One incident is one alert: its labels stay the same over its life,
// and its end ends the alert.
type alertmanager struct {
	*poster
	address string
}

// How long an alert lasts that nobody ends, from the attempt that brings it: one that is over when it comes is told to nobody.
const (
	lasting       = 24 * time.Hour // Alertmanager would end it after five minutes without a reminder.
	digestLasting = time.Hour
)

func newAlertmanager(p *poster, u *url.URL) alertmanager {
	const path = "/api/v2/alerts"
	address := *u
	if address.Path = strings.TrimRight(address.Path, "/"); !strings.HasSuffix(address.Path, path) {
		address.Path += path
	}
	return alertmanager{p, address.String()}
}

// alert is a postableAlert of the API.
type alert struct {
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt"`
	GeneratorURL string            `json:"generatorURL,omitempty"`
}

func (a alertmanager) send(ctx context.Context, m *message) error {
	body, err := json.Marshal([]alert{alertOf(m, time.Now())})
	if err != nil {
		return &Failure{Permanent: true, Err: err}
	}
	return a.post(ctx, a.address, m.Key, body)
}

// alertOf makes the alert of a message that is sent now.
func alertOf(m *message, now time.Time) alert {
	out := alert{
		Labels: map[string]string{}, GeneratorURL: m.Link,
		Annotations: map[string]string{"summary": m.Title, "description": m.Text, "event": m.Event, "key": m.Key},
	}
	if d := m.Digest; d != nil {
		// With equal labels the next digest would be the same alert, and nobody would hear of it.
		out.Labels = map[string]string{"alertname": "AnomalystreamDigest", "route": m.Route, "digest": m.Key}
		out.StartsAt, out.EndsAt = d.From, now.Add(digestLasting)
		return out
	}
	i := m.Incident
	maps.Copy(out.Labels, m.Labels)
	maps.Copy(out.Labels, map[string]string{"alertname": "AnomalystreamIncident", "incident": i.ID, "stream": i.Stream, "entity": i.Entity, "kind": i.Kind})
	maps.DeleteFunc(out.Labels, func(_, value string) bool { return value == "" }) // Alertmanager takes them for absent.
	out.Annotations["peak_severity"] = strconv.FormatFloat(i.PeakSeverity, 'g', 4, 64)
	out.Annotations["peak_alert_score"] = strconv.FormatFloat(i.PeakAlert, 'g', 4, 64)
	out.StartsAt, out.EndsAt = i.Start, now.Add(lasting)
	if i.Start.After(m.At) {
		out.StartsAt = m.At // The clock of a source may be ahead; an end before the start would be refused.
	}
	if m.Event == streams.NotifyRecovered {
		out.EndsAt = m.At
		if i.End != nil && i.End.Before(m.At) && i.End.After(i.Start) {
			out.EndsAt = *i.End
		}
	}
	return out
}
