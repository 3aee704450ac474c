package incidents

import (
	"cmp"
	"time"

	"anomalystream/streams"
)

const (
	silentFor = 5               // A source is silent when it has sent nothing for so many times of what is expected,
	soonest   = 2 * time.Minute // and for so long at least, where the expectation is learned.

	shortLimit = time.Minute // No source is silent sooner, whatever the policy says.
)

// heard notes new events of a key: what was silent has returned. before is when it was heard of last.
func (t *turn) heard(k *key, before time.Duration, minute time.Time) {
	quiet, all := t.Passed-before, t.Passed-t.Heard
	t.back(k, before)
	if minute.After(t.Newest) {
		t.Newest = minute
	}
	if k.Silent != nil {
		t.end(k, k.Silent, returned(k.Silent, minute, quiet), streams.ChangeRecovered)
	}
	if t.Silent != nil {
		t.end(nil, t.Silent, returned(t.Silent, minute, all), streams.ChangeRecovered)
	}
}

// returned is when a source came back: in the minute that its rollup names, and there as long after the silence began as nothing was
// heard of it.
func returned(silence *burst, minute time.Time, quiet time.Duration) time.Time {
	at := silence.Incident.Start.Add(quiet)
	switch last := minute.Add(time.Minute - time.Second); {
	case at.Before(minute):
		return minute
	case at.After(last):
		return last
	}
	return at
}

// limits returns how long a key may say nothing, and the expected time between its events; ok is false where nothing is
// expected of it.
func (t *turn) limits(k *key) (limit, expected time.Duration, ok bool) {
	switch {
	case t.silence.Off || k.Away:
		return 0, 0, false
	case t.silence.After > 0:
		return t.silence.After, t.silence.After, true
	}
	expected = k.expected()
	return max(silentFor*expected, soonest), expected, expected > 0
}

// shortest returns how long the stream may say nothing, which is what its most frequent key may, and the expected time between
// that key's events; zero where nothing is expected. Keys without which the stream went on already do not count.
func (t *turn) shortest() (limit, expected time.Duration) {
	for _, k := range t.Keys {
		if l, every, ok := t.limits(k); ok && t.Heard-k.Heard < l && (limit == 0 || l < limit) {
			limit, expected = l, every
		}
	}
	return limit, expected
}

// listen raises the silences. A key is silent when the stream has gone on without it for as long as the key may say nothing; when
// nothing at all comes any more, that is one silence of the stream, after which every key has its time to return. Both go by
// ticks: what is read late is not silent. Neither tells of a pause that is usual at this time. In a maintenance window silence is
// expected: it is suppressed for as long as the window is open, and that of the stream where windows are open for everybody who is
// expected.
func (t *turn) listen(windows []streams.OpenWindow) {
	for _, k := range t.Keys {
		limit, expected, ok := t.limits(k)
		by := suppressing(windows, k.Entity)
		if k.Silent != nil && by == "" {
			t.unmute(k.Silent)
		}
		switch {
		case !ok:
		case k.Silent != nil && t.Passed-max(k.Told, k.Heard) >= t.policy.MaxLength:
			k.Away = true // It is not expected any more, unless it returns.
			t.end(k, k.Silent, k.now(t.Passed), streams.ChangeOutlasted)
		case k.Silent == nil && t.Heard-k.Heard >= limit && t.Passed-t.Returned >= limit && !t.usual(k.Pauses, t.Passed-k.Heard, expected):
			k.Silent, k.Told = t.silent(k.Entity, k.At, expected, by), t.Passed
			t.begin(k.Silent)
		}
	}
	if t.Silent != nil && t.suppressingAll(windows) == "" {
		t.unmute(t.Silent)
	}
	if quiet := t.Passed - t.Heard; t.Silent == nil && quiet >= shortLimit {
		if limit, expected := t.shortest(); limit > 0 && quiet >= limit && !t.usual(t.Pauses, quiet, expected) {
			t.Silent = t.silent("", t.Newest, expected, t.suppressingAll(windows))
			t.tell(t.Silent, streams.ChangeOpened)
		}
	}
}

// suppressing returns why the silence of an entity tells nobody, "" for no reason.
func suppressing(windows []streams.OpenWindow, entity string) string {
	for i := range windows {
		if windows[i].Covers(entity) {
			return streams.SuppressedByWindow + windows[i].Name
		}
	}
	return ""
}

// suppressingAll returns why the silence of the stream tells nobody, "" for no reason: windows that cover every key of which events
// are expected, those left out without which the stream went on already.
func (t *turn) suppressingAll(windows []streams.OpenWindow) (by string) {
	for _, k := range t.Keys {
		if limit, _, ok := t.limits(k); !ok || t.Heard-k.Heard >= limit {
			continue
		}
		one := suppressing(windows, k.Entity)
		if one == "" {
			return ""
		}
		by = cmp.Or(by, one)
	}
	return by
}

// unmute tells of a silence that has outlasted its window, and of the group that it is part of.
func (t *turn) unmute(b *burst) {
	for _, b := range []*burst{b, t.group(b.Incident.Group)} {
		if b != nil && b.Incident.Suppressed != "" {
			b.Incident.Suppressed = ""
			t.tell(b, streams.ChangeWorsened)
		}
	}
}

// forget gives up the keys that have not been heard of for long.
func (t *turn) forget() {
	for _, k := range t.Keys {
		quiet := t.Passed - k.Heard
		if !k.idle() || quiet <= forgotten || quiet <= forgottenPausing && len(k.Pauses) > 0 {
			continue
		}
		if limit, _, ok := t.limits(k); !ok || quiet > 2*limit {
			delete(t.byEntity, k.Entity)
		}
	}
	t.compact()
}

// silent makes the incident of a silence since a time.
func (t *turn) silent(entity string, since time.Time, expected time.Duration, suppressed string) *burst {
	return &burst{Incident: streams.Incident{
		ID: streams.SilentIncidentID(t.stream, entity, t.Ticked), Stream: t.stream, Entity: entity, Kind: streams.KindSilent,
		Status: streams.StatusOpen, Start: since, Latest: since, Interval: expected.Seconds(), Suppressed: suppressed,
	}}
}
