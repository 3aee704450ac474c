package main

import (
	"math"
	"time"

	"anomalystream/streams"
)

// validateIncidents checks the section incidents of a stream.
func validateIncidents(d *configDecoder, at string, p *streams.IncidentPolicy) {
	const day = 24 * time.Hour
	inRange(d, at+".open_after", p.OpenAfter, 1, 100)
	spanRange(d, at+".open_span", p.OpenSpan, time.Second, 7*day)
	if !(p.OpenAlert > 0) || math.IsInf(p.OpenAlert, 0) {
		d.invalid(at+".open_alert_score", "found %v, expected a number above 0", p.OpenAlert)
	}
	spanRange(d, at+".quiet", p.Quiet, time.Second, 7*day)
	spanRange(d, at+".max_length", p.MaxLength, time.Minute, 366*day)
	inRange(d, at+".flap_after", p.FlapAfter, 2, 100)
	spanRange(d, at+".flap_span", p.FlapSpan, time.Minute, 366*day)
	inRange(d, at+".group_min", p.GroupMin, 2, 100000)
	spanRange(d, at+".group_span", p.GroupSpan, time.Second, 7*day)
	spanRange(d, at+".retention", p.Retention, day, 3660*day)
	if p.MaxLength < p.Quiet {
		d.invalid(at+".max_length", "found %s, expected at least the quiet span of %s", p.MaxLength, p.Quiet)
	}
	if _, err := p.ParseSilence(); err != nil {
		d.invalid(at+".silence", "%s", err)
	}
}

func spanRange(d *configDecoder, path string, got, low, high time.Duration) {
	if got < low || got > high {
		d.invalid(path, "found %s, expected %s to %s", got, low, high)
	}
}
