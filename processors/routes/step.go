package routes

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"anomalystream/streams"
)

// How long a route remembers.
const (
	rememberEnded = time.Hour          // An incident that is over.
	rememberOpen  = 7 * 24 * time.Hour // An incident whose record does not come any more.
)

// Signal is what happens to a route: a record of an incident that matches it, or a tick.
type Signal struct {
	At       time.Time         // When it was written.
	Incident *streams.Incident // Nil for a tick.
	Body     []byte            // The incident as it was read. It is kept and must not be changed afterwards.
}

// Step applies a signal and returns the messages that follow from it, in their order.
func (r *Route) Step(s *State, signal Signal) []streams.Notification {
	t := &turn{Route: r, State: s}
	s.now = signal.At.UnixMilli()
	t.openSpan()
	if signal.Incident != nil {
		t.incident(signal.Incident, signal.Body)
	} else {
		t.tick()
	}
	return t.out
}

// turn is one step.
type turn struct {
	*Route
	*State
	out []streams.Notification
}

// openSpan begins the next span of the rate limit where the current one is over, with the digest of what it held back.
// Clocks of brokers differ, so the time may go back a little; what began later began now.
func (t *turn) openSpan() {
	t.from = min(t.from, t.now)
	if t.now-t.from < t.Per.Milliseconds() {
		return
	}
	t.from, t.sent = t.now, 0
	if t.held.Counts.Total() == 0 {
		return
	}
	digest := t.held
	digest.To = at(t.now)
	t.held = streams.Digest{}
	t.sent++
	t.digests++
	// The time is part of the key for the case that the state is lost, and with it the number.
	key := streams.NotificationKey(t.Name, streams.NotifyDigest, strconv.Itoa(t.digests), strconv.FormatInt(t.now, 10))
	t.out = append(t.out, streams.Notification{Key: key, Route: t.Name, Event: streams.NotifyDigest, At: digest.To, Digest: &digest})
}

// tick tells what has waited long enough, and forgets what is long over.
func (t *turn) tick() {
	for _, e := range slices.Clone(t.open) {
		e.Since, e.Seen = min(e.Since, t.now), min(e.Seen, t.now)
		waited := t.now - e.Since
		switch {
		case t.now-e.Seen >= rememberOpen.Milliseconds():
			t.forget(e)
		case !e.Told && waited >= t.Wait.Milliseconds():
			t.announce(e, t.kept(e))
			t.keepForRepeats(e, e.Body)
		case e.Told && t.Repeat > 0 && !e.Quiet && !e.Asleep && e.Body != nil && waited >= t.Repeat.Milliseconds():
			e.Repeats++
			t.tell(e, streams.NotifyRepeated, t.kept(e))
		}
	}
	t.ended = slices.DeleteFunc(t.ended, func(e ended) bool { return t.now-e.At >= rememberEnded.Milliseconds() })
}

// incident applies a record of an incident. What it tells depends on the order of the incident's own records only.
func (t *turn) incident(i *streams.Incident, body []byte) {
	e := t.byID[i.ID]
	switch {
	case e != nil && i.Revision <= e.Revision:
		return // A crash repeats records.
	case e == nil && t.endedAt(i.ID) >= 0:
		t.end(i.ID, i.Revision)
	case !i.Open():
		t.over(e, i)
	case e == nil:
		t.begin(i, body)
	default:
		t.continues(e, i, body)
	}
}

// silent reports whether nobody is to hear of an incident: a group speaks for it, or something silences it.
func silent(i *streams.Incident) bool { return i.Replay || i.Suppressed != "" || i.Group != "" }

// begin is the first record of an incident that is open.
func (t *turn) begin(i *streams.Incident, body []byte) {
	if silent(i) {
		return
	}
	e := &entry{ID: i.ID, Revision: i.Revision, Since: t.now, Seen: t.now, Asleep: i.Status == streams.StatusAcknowledged}
	if !t.follow(e) {
		t.hold(streams.NotifyOpened, i) // Its end is told by the limit's rules: nobody knows that this was all.
		return
	}
	if t.Wait == 0 || !t.keep(e, body) {
		t.announce(e, i)
	}
	t.keepForRepeats(e, body)
}

// continues is another record of an incident that was open already.
func (t *turn) continues(e *entry, i *streams.Incident, body []byte) {
	e.Revision, e.Seen = i.Revision, t.now
	e.Asleep = silent(i) || i.Status == streams.StatusAcknowledged
	if !e.Told {
		if silent(i) {
			t.forget(e)
		} else if !t.keep(e, body) {
			t.announce(e, i)
			t.keepForRepeats(e, body)
		}
		return
	}
	if i.Change == streams.ChangeWorsened && !silent(i) {
		t.tell(e, streams.NotifyWorsened, i)
	}
	t.keepForRepeats(e, body)
}

// over is the first record of an incident that is not open any more. One that was told is told to be over, whatever silences
// it since: somebody waits for that. One that waited is told in full; nobody has heard of it.
func (t *turn) over(e *entry, i *streams.Incident) {
	if e == nil {
		e = &entry{ID: i.ID, Told: true}
		if i.Ends() && !silent(i) {
			t.tell(e, streams.NotifyRecovered, i)
		}
		t.end(i.ID, i.Revision)
		return
	}
	if !e.Told && !silent(i) {
		t.announce(e, i)
	}
	if e.Told {
		t.tell(e, streams.NotifyRecovered, i)
	}
	t.forget(e)
	t.end(i.ID, i.Revision)
}

// announce tells an opening.
func (t *turn) announce(e *entry, i *streams.Incident) {
	e.Told = true
	t.tell(e, streams.NotifyOpened, i)
}

// keepForRepeats keeps the record of an incident that is told while it may be told again.
func (t *turn) keepForRepeats(e *entry, body []byte) {
	if !e.Told {
		return
	}
	if t.Repeat == 0 || e.Quiet || !t.keep(e, body) {
		t.keep(e, nil)
	}
}

// tell makes a message of an event, or holds it for the digest: where the limit is reached, and the end of what a digest told.
func (t *turn) tell(e *entry, event string, i *streams.Incident) {
	e.Since = t.now
	wanted := event
	if event == streams.NotifyRepeated {
		wanted = streams.NotifyOpened
	}
	if !slices.Contains(t.On, wanted) {
		return
	}
	full := t.Limit > 0 && t.sent >= t.Limit
	if full || e.Quiet && event == streams.NotifyRecovered {
		e.Quiet = e.Quiet || event == streams.NotifyOpened
		t.hold(event, i)
		return
	}
	e.Quiet = false
	t.sent++
	parts := []string{t.Name, i.ID, strconv.FormatInt(i.Revision, 10), event}
	n := streams.Notification{Route: t.Name, Event: event, At: at(t.now), Labels: t.Labels[i.Stream], Incident: i}
	if event == streams.NotifyRepeated {
		n.Repeat = e.Repeats
		parts = append(parts, strconv.Itoa(e.Repeats))
	}
	n.Key = streams.NotificationKey(parts...)
	t.out = append(t.out, n)
}

// kept returns the record that is kept of an incident.
func (t *turn) kept(e *entry) *streams.Incident {
	i, err := streams.UnmarshalIncident(e.Body)
	if err != nil {
		panic(fmt.Sprintf("reading the kept record of incident %s: %v", e.ID, err)) // It was read before it was kept.
	}
	return i
}

func at(milliseconds int64) time.Time { return time.UnixMilli(milliseconds).UTC() }
