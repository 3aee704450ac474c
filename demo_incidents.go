package main

import (
	"fmt"
	"time"

	"github.com/IBM/sarama"

	"anomalystream/streams"
)

// demoPolicy makes incidents of the short faults of a demonstration, which follow one another within seconds.
func demoPolicy(d *streams.Definition) {
	p := &d.Incidents
	p.OpenSpan, p.Quiet, p.GroupSpan, p.FlapAfter = 10*time.Second, 6*time.Second, 3*time.Second, 100
}

// demoIncidents counts the incidents that the demo has shown.
type demoIncidents struct {
	revisions map[string]int64 // The newest one seen, by incident.
	opened    map[string]int64 // By stream, without members of groups.
	ended     map[string]int64
}

func newDemoIncidents() *demoIncidents {
	return &demoIncidents{revisions: map[string]int64{}, opened: map[string]int64{}, ended: map[string]int64{}}
}

// note counts a revision of an incident, and returns the line to show: "" for what nobody would be told of.
func (d *demoIncidents) note(i *streams.Incident) string {
	if i.Revision <= d.revisions[i.ID] {
		return "" // A repetition.
	}
	d.revisions[i.ID] = i.Revision
	what := ""
	switch i.Change {
	case streams.ChangeOpened:
		what = "INCIDENT "
	case streams.ChangeRecovered, streams.ChangeResolved:
		what = "RECOVERED"
	case streams.ChangeOutlasted:
		what = "OUTLASTED"
	}
	if what == "" || i.Group != "" {
		return ""
	}
	at := i.Latest
	if i.End != nil {
		at = *i.End
		d.ended[i.Stream]++
	} else {
		d.opened[i.Stream]++
	}
	return fmt.Sprintf("%s  %s  %s", demoTime(at), what, i.Sentence)
}

// incident shows one readable line when an incident opens and when it ends.
func (d *demoShow) incident(m *sarama.ConsumerMessage) {
	if m.Value == nil {
		return // A tombstone tells nothing.
	}
	i, err := streams.UnmarshalIncident(m.Value)
	if err != nil {
		d.line("an incident that cannot be read: %s", err)
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if line := d.incidents.note(i); line != "" {
		fmt.Fprintln(d.out, line)
	}
}

// demoTime shows a time: with the day where that is not today.
func demoTime(at time.Time) string {
	if time.Since(at).Abs() > 12*time.Hour {
		return at.Local().Format("2006-01-02 15:04:05")
	}
	return at.Local().Format("15:04:05")
}
