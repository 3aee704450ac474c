package incidents

import (
	"fmt"
	"math"
	"strings"
	"time"

	"anomalystream/streams"
)

// sentence says what an incident is, for a person.
func sentence(i *streams.Incident) string {
	var b strings.Builder
	what := streams.DetectorKey(i.Stream, i.Entity)
	switch i.Kind {
	case streams.KindSilent:
		silence(&b, i, what)
		return b.String()
	case streams.KindGroup:
		fmt.Fprintf(&b, "%d of %d entities of %s are in trouble at the same time", i.MemberCount, i.EntityCount, i.Stream)
		if i.Anomalies == 0 {
			b.WriteString(": they have fallen silent")
		}
	case streams.KindRule:
		fmt.Fprintf(&b, "%s breaks a rule", what)
	case streams.KindStuck:
		fmt.Fprintf(&b, "%s repeats itself", what)
	default:
		fmt.Fprintf(&b, "%s behaves unusually", what)
	}
	if i.Anomalies > 0 {
		fmt.Fprintf(&b, ": %s", anomalies(i))
		leading(&b, i.Features)
	}
	b.WriteString(".")
	goingOn(&b, i)
	if i.Flapping {
		b.WriteString(" It comes and goes.")
	}
	if i.Peak != nil && i.Peak.Why.Sentence != "" {
		at := "At the peak"
		if i.Kind == streams.KindGroup {
			at += " (" + i.Peak.Entity + ")"
		}
		fmt.Fprintf(&b, " %s, %s", at, i.Peak.Why.Sentence)
	}
	ended(&b, i)
	return b.String()
}

// goingOn says how many members of a group go on where others have ended, as far as the record names all of them.
func goingOn(b *strings.Builder, i *streams.Incident) {
	if i.End != nil || i.MemberCount > len(i.Members) {
		return
	}
	lasting := 0
	for _, m := range i.Members {
		if m.Open {
			lasting++
		}
	}
	switch {
	case lasting == len(i.Members):
	case lasting == 1:
		b.WriteString(" One of them goes on.")
	default:
		fmt.Fprintf(b, " %d of them go on.", lasting)
	}
}

func silence(b *strings.Builder, i *streams.Incident, what string) {
	switch {
	case i.Change == streams.ChangeRecovered && i.End.Sub(i.Start) < time.Second:
		fmt.Fprintf(b, "%s was silent and sends again.", what) // Events of an earlier time, or of the same.
	case i.Change == streams.ChangeRecovered:
		fmt.Fprintf(b, "%s was silent for %s.", what, length(i.End.Sub(i.Start)))
	case i.Entity == "":
		fmt.Fprintf(b, "Nothing has come from %s since %s; events are expected every %s.", what, i.Start.UTC().Format("15:04 UTC"), every(i))
		ended(b, i)
	default:
		fmt.Fprintf(b, "%s has sent nothing since %s; an event is expected every %s.", what, i.Start.UTC().Format("15:04 UTC"), every(i))
		ended(b, i)
	}
}

func every(i *streams.Incident) string { return length(seconds(i.Interval)) }

func anomalies(i *streams.Incident) string {
	if i.Anomalies == 1 {
		return "one anomaly"
	}
	span := i.Latest.Sub(i.Start)
	if span == 0 {
		return fmt.Sprintf("%d anomalies at once", i.Anomalies)
	}
	return fmt.Sprintf("%d anomalies in %s", i.Anomalies, length(span))
}

// leading names the features that make up half of the incident, at most three.
func leading(b *strings.Builder, features []streams.IncidentFeature) {
	sum := 0.0
	for n, f := range features {
		if sum >= 0.5 || n == 3 {
			break
		}
		sum += f.Share
		if n == 0 {
			b.WriteString(", mostly ")
		} else {
			b.WriteString(", ")
		}
		fmt.Fprintf(b, "%s (%.0f %%)", f.Feature, 100*f.Share)
	}
}

func ended(b *strings.Builder, i *streams.Incident) {
	if i.End == nil {
		return
	}
	lasted := length(i.End.Sub(i.Start))
	switch {
	case i.Change == streams.ChangeResolved && i.End.Sub(i.Start) < time.Second:
		b.WriteString(" Resolved.") // By event time at once.
	case i.Change == streams.ChangeResolved:
		fmt.Fprintf(b, " Resolved after %s.", lasted)
	case i.Change == streams.ChangeOutlasted && i.Kind == streams.KindSilent:
		fmt.Fprintf(b, " After %s it is no longer expected until it returns.", lasted)
	case i.Change == streams.ChangeOutlasted:
		fmt.Fprintf(b, " It has lasted for %s, as long as an incident may; more of it is a new one.", lasted)
	default:
		fmt.Fprintf(b, " Recovered after %s.", lasted)
	}
}

// length writes a span as a person would.
func length(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 2*time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < 2*time.Hour:
		return fmt.Sprintf("%.0f min", d.Minutes())
	case d < 48*time.Hour:
		return fmt.Sprintf("%.0f h", d.Hours())
	}
	return fmt.Sprintf("%.0f days", math.Round(d.Hours()/24))
}
