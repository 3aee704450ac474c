package incidents

import (
	"time"

	"anomalystream/streams"
)

const (
	silentFor = 5               // A source is silent when it has sent nothing for so many times of what is expected,
	soonest   = 2 * time.Minute // and for so long at least, where the expectation is learned.
)

// heard notes new events of a key: what was silent has returned.
func (t *turn) heard(k *key, minute time.Time) {
	t.Heard = t.Passed
	if minute.After(t.Newest) {
		t.Newest = minute
	}
	if k.Silent != nil {
		t.end(k, k.Silent, minute, streams.StatusRecovered)
	}
	if t.Silent != nil {
		t.end(nil, t.Silent, minute, streams.StatusRecovered)
	}
}

// limits returns how long a key may say nothing, and the expected time between its events; ok is false where nothing is
// expected of it.
func (t *turn) limits(k *key) (limit, expected time.Duration, ok bool) {
	if t.silence.After > 0 {
		return t.silence.After, t.silence.After, true
	}
	expected = k.expected()
	return max(silentFor*expected, soonest), expected, expected > 0
}

// listen raises the silences. A key is silent when the stream has gone on without it for as long as the key may say nothing; when
// nothing at all comes any more, that is one silence of the stream. Both go by ticks: what is read late is not silent.
func (t *turn) listen() {
	if t.silence.Off {
		return
	}
	var stream, expected time.Duration
	for _, k := range t.Keys {
		limit, every, ok := t.limits(k)
		if !ok {
			continue
		}
		if stream == 0 || limit < stream {
			stream, expected = limit, every
		}
		switch {
		case k.Silent != nil && t.Passed-k.Heard >= t.policy.MaxLength:
			k.Gaps = nil // It is not expected any more, unless it returns.
			t.end(k, k.Silent, k.Silent.Incident.Start.Add(t.policy.MaxLength), streams.StatusRecovered)
		case k.Silent == nil && t.Heard-k.Heard >= limit:
			k.Silent = t.silent(k.Entity, k.At, every)
			t.begin(k.Silent)
		}
	}
	if t.Silent == nil && stream > 0 && t.Passed-t.Heard >= stream {
		t.Silent = t.silent("", t.Newest, expected)
		t.tell(t.Silent, streams.ChangeOpened)
	}
}

// silent makes the incident of a silence since a time.
func (t *turn) silent(entity string, since time.Time, expected time.Duration) *burst {
	return &burst{Incident: streams.Incident{
		ID: streams.SilentIncidentID(t.stream, entity, t.Ticked), Stream: t.stream, Entity: entity, Kind: streams.KindSilent,
		Status: streams.StatusOpen, Start: since, Latest: since, Interval: expected.Seconds(),
	}}
}
