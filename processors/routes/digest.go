package routes

import (
	"cmp"
	"slices"
	"unicode/utf8"

	"anomalystream/streams"
)

// maxSentence bounds the sentence of a digest's entry, in bytes.
const maxSentence = 300

// hold adds a message to the next digest.
func (t *turn) hold(event string, i *streams.Incident) {
	d := &t.held
	if d.Counts.Total() == 0 {
		d.From = at(t.now)
	}
	switch event {
	case streams.NotifyOpened:
		d.Counts.Opened++
	case streams.NotifyWorsened:
		d.Counts.Worsened++
	case streams.NotifyRecovered:
		d.Counts.Recovered++
	case streams.NotifyRepeated:
		d.Counts.Repeated++
	}
	e := streams.DigestEntry{Incident: i.ID, Event: event, Stream: i.Stream, Entity: i.Entity, PeakAlert: i.PeakAlert, Sentence: clip(i.Sentence)}
	// An incident is named once, with the last that happened to it.
	d.Largest = slices.DeleteFunc(d.Largest, func(o streams.DigestEntry) bool { return o.Incident == e.Incident })
	place, _ := slices.BinarySearchFunc(d.Largest, e, func(a, b streams.DigestEntry) int {
		return cmp.Or(cmp.Compare(b.PeakAlert, a.PeakAlert), -1) // Equal scores: first come, first named.
	})
	d.Largest = slices.Insert(d.Largest, place, e)
	d.Largest = d.Largest[:min(len(d.Largest), streams.MaxDigestEntries)]
}

// clip shortens a sentence at a character's end.
func clip(s string) string {
	if len(s) <= maxSentence {
		return s
	}
	n := maxSentence - len("…")
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}
