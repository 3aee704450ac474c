package routes

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"anomalystream/streams"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// bench plays signals to a route and notes what it tells. Every step is applied to a restored copy of the state as well.
type bench struct {
	t     *testing.T
	route *Route
	state *State
	now   time.Time
	sent  []streams.Notification
}

func newBench(t *testing.T, change func(*Route)) *bench {
	r := &Route{
		Name: "team", On: []string{streams.NotifyOpened, streams.NotifyWorsened, streams.NotifyRecovered},
		Wait: 30 * time.Second, Per: 10 * time.Minute, Labels: map[string]map[string]string{"s": {"team": "web"}},
	}
	if change != nil {
		change(r)
	}
	return &bench{t: t, route: r, state: NewState(), now: start}
}

func (b *bench) step(signal Signal) {
	b.t.Helper()
	twin, err := Restore(b.state.Append(nil))
	if err != nil {
		b.t.Fatal(err)
	}
	signal.At = b.now
	got, want := b.route.Step(twin, signal), b.route.Step(b.state, signal)
	if fmt.Sprint(keys(got)) != fmt.Sprint(keys(want)) || string(twin.Append(nil)) != string(b.state.Append(nil)) {
		b.t.Fatalf("a restored state tells %v, the living one %v", keys(got), keys(want))
	}
	if b.state.bodies != twin.bodies {
		b.t.Fatalf("a restored state counts %d bytes of records, the living one %d", twin.bodies, b.state.bodies)
	}
	b.sent = append(b.sent, want...)
}

func keys(list []streams.Notification) (out []string) {
	for _, n := range list {
		out = append(out, n.Event+" "+n.Key)
	}
	return out
}

// tick lets time pass, with a tick every ten seconds.
func (b *bench) tick(d time.Duration) {
	b.t.Helper()
	for end := b.now.Add(d); b.now.Before(end); {
		b.now = b.now.Add(10 * time.Second)
		b.step(Signal{})
	}
}

// incident is a record of an incident: "ID REVISION CHANGE [more]".
func (b *bench) incident(text string) {
	b.t.Helper()
	i := incident(text)
	body, err := streams.MarshalIncident(i)
	if err != nil {
		b.t.Fatal(err)
	}
	b.step(Signal{Incident: i, Body: body})
}

func incident(text string) *streams.Incident {
	f := strings.Fields(text)
	i := &streams.Incident{ID: f[0], Change: f[2], Stream: "s", Entity: "e-" + f[0], Kind: streams.KindModel, Status: streams.StatusOpen, Start: start, Sentence: "it is odd", PeakAlert: 3, PeakSeverity: 5}
	fmt.Sscan(f[1], &i.Revision)
	switch f[2] {
	case streams.ChangeRecovered, streams.ChangeResolved, streams.ChangeAcknowledged:
		i.Status = f[2]
	}
	for _, more := range f[3:] {
		switch more {
		case "replay":
			i.Replay = true
		case "suppressed":
			i.Suppressed = "window:night"
		case "closed":
			i.Status = streams.StatusRecovered
		default:
			i.Group = more
		}
	}
	return i
}

// told returns the messages since the last call, as "event id".
func (b *bench) told() string {
	var out []string
	for _, n := range b.sent {
		switch {
		case n.Digest != nil:
			c := n.Digest.Counts
			out = append(out, fmt.Sprintf("digest %d/%d/%d/%d", c.Opened, c.Worsened, c.Recovered, c.Repeated))
		default:
			out = append(out, n.Event+" "+n.Incident.ID)
		}
	}
	b.sent = nil
	return strings.Join(out, ", ")
}

func (b *bench) want(want string) {
	b.t.Helper()
	if got := b.told(); got != want {
		b.t.Errorf("told %q, want %q", got, want)
	}
}

func TestOneFaultIsTwoMessages(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.incident("a 1 opened")
	b.tick(20 * time.Second)
	b.want("")
	b.tick(10 * time.Second)
	b.want("opened a")
	for r := range 10 {
		b.incident(fmt.Sprintf("a %d extended", r+2))
		b.tick(time.Minute)
	}
	b.want("")
	b.incident("a 12 recovered")
	b.tick(time.Hour)
	b.incident("a 13 judged closed")
	b.want("recovered a")
	if b.state.Open() != 0 || b.state.bodies != 0 {
		t.Errorf("the state still holds %d incidents and %d bytes", b.state.Open(), b.state.bodies)
	}
}

func TestRepeatedRecordsTellNothingTwice(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(r *Route) { r.Wait = 0 })
	story := []string{"a 1 opened", "a 2 worsened", "a 3 acknowledged", "a 4 recovered"}
	for range 3 { // A crash repeats the last records in their order.
		for _, s := range story {
			b.incident(s)
		}
		b.tick(time.Minute)
	}
	b.want("opened a, worsened a, recovered a")
}

func TestGroupSpeaksForItsMembers(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.incident("a 1 opened")
	b.tick(40 * time.Second) // Too late for the group: it is told, and so is its end.
	b.incident("b 1 opened")
	b.incident("c 1 opened")
	b.incident("g 1 opened")
	for _, id := range []string{"a", "b", "c"} {
		b.incident(id + " 2 joined g")
	}
	b.tick(time.Minute)
	for _, s := range []string{"a 3 worsened g", "b 3 worsened g", "g 2 worsened", "a 4 recovered g", "b 4 recovered g", "c 4 recovered g", "g 3 recovered"} {
		b.incident(s)
	}
	b.want("opened a, opened g, worsened g, recovered a, recovered g")
}

func TestSilencedIncidentsTellNobody(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(r *Route) { r.Repeat = time.Minute })
	for _, s := range []string{"a 1 opened replay", "b 1 opened suppressed", "c 1 opened"} {
		b.incident(s)
	}
	b.tick(20 * time.Second)
	b.incident("c 2 extended suppressed") // A window or verdict reached back over it.
	b.tick(time.Minute)
	b.incident("a 2 recovered replay")
	b.incident("c 3 recovered suppressed")
	b.want("")
	b.incident("b 2 extended") // Its newest anomaly is not suppressed any more.
	b.tick(30 * time.Second)
	b.want("opened b")
	b.incident("b 3 extended suppressed")
	b.tick(time.Hour)
	b.want("")
	b.incident("b 4 resolved suppressed")
	b.want("recovered b")
}

func TestEndBeforeTheOpeningIsTold(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.incident("a 1 opened")
	b.incident("a 2 recovered")
	b.want("opened a, recovered a")
	b.incident("b 7 recovered") // Its earlier records were compacted away, or are older than the route.
	b.incident("c 7 judged closed")
	b.want("recovered b")
}

func TestRepeatsUntilAcknowledged(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(r *Route) { r.Repeat = time.Hour })
	b.incident("a 1 opened")
	b.tick(30 * time.Second)
	b.tick(59 * time.Minute)
	b.want("opened a")
	b.tick(time.Minute)
	b.incident("a 2 extended")
	b.tick(time.Hour)
	b.want("repeated a, repeated a")
	b.incident("a 3 worsened") // A message of any kind is a reminder too.
	b.tick(59 * time.Minute)
	b.want("worsened a")
	b.incident("a 4 acknowledged")
	b.tick(24 * time.Hour)
	b.want("")
}

func TestRepetitionsHaveKeysOfTheirOwn(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(r *Route) { r.Repeat = time.Minute })
	b.incident("a 1 opened")
	b.tick(10 * time.Minute)
	seen := map[string]bool{}
	for _, n := range b.sent {
		if seen[n.Key] {
			t.Errorf("the key of %s %d is not its own", n.Event, n.Repeat)
		}
		seen[n.Key] = true
	}
	if len(seen) < 9 {
		t.Errorf("told %d messages, want an opening and at least 8 repetitions", len(seen))
	}
}

func TestOnlyEventsAskedForAreTold(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(r *Route) { r.On, r.Repeat = []string{streams.NotifyRecovered}, time.Minute })
	b.incident("a 1 opened")
	b.tick(time.Hour)
	b.incident("a 2 worsened")
	b.incident("a 3 recovered")
	b.want("recovered a")
}

func TestLimitHoldsBackForADigest(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(r *Route) { r.Wait, r.Limit = 0, 2 })
	b.tick(10 * time.Second)
	for _, id := range []string{"a", "b", "c", "d"} {
		b.incident(id + " 1 opened")
	}
	b.want("opened a, opened b")
	b.incident("a 2 recovered") // Told by a message of its own, but the limit is reached.
	b.incident("c 2 recovered") // Told by nothing yet.
	b.tick(10 * time.Minute)
	b.want("digest 2/0/2/0")
	b.incident("d 2 recovered") // Told by a digest, ends by a digest, although there is room.
	b.want("")
	b.incident("b 2 recovered")
	b.want("recovered b")
	b.tick(10 * time.Minute)
	b.want("digest 0/0/1/0")
	b.tick(time.Hour)
	b.want("")
}

func TestWhatWorsensAfterADigestIsToldAlone(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(r *Route) { r.Wait, r.Limit = 0, 1 })
	b.tick(10 * time.Second)
	b.incident("a 1 opened")
	b.incident("b 1 opened")
	b.tick(10 * time.Minute)
	b.tick(10 * time.Minute)
	b.want("opened a, digest 1/0/0/0")
	b.incident("b 2 worsened")
	b.tick(10 * time.Minute)
	b.incident("b 3 recovered")
	b.want("worsened b, recovered b")
}

func TestClockThatGoesBack(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(r *Route) { r.Limit = 1 })
	b.now = start.Add(365 * 24 * time.Hour) // A broker's clock is a year ahead, and then right again.
	b.incident("a 1 opened")
	b.now = start
	b.tick(40 * time.Second)
	b.want("opened a")
	b.incident("a 2 recovered")
	b.tick(11 * time.Minute)
	b.want("digest 0/0/1/0")
}

// TestTenThousandIncidents: what a storm costs is bounded, and everything that was held back is counted.
func TestTenThousandIncidents(t *testing.T) {
	t.Parallel()
	const n = 10_500
	r := newBench(t, func(r *Route) { r.Limit, r.Repeat = 20, time.Hour })
	s, now := r.state, start
	count := map[string]int{}
	largest := 0
	play := func(signal Signal) {
		signal.At = now
		for _, m := range r.route.Step(s, signal) {
			count[m.Event]++
			if m.Digest != nil {
				count["held"] += m.Digest.Counts.Total()
				if len(m.Digest.Largest) > streams.MaxDigestEntries {
					t.Fatalf("a digest names %d incidents", len(m.Digest.Largest))
				}
			}
		}
	}
	for change := range 2 {
		for k := range n {
			i := incident(fmt.Sprintf("i%d %d %s", k, change+1, []string{"opened", "recovered"}[change]))
			i.Sentence = strings.Repeat("x", 2000)
			body, err := streams.MarshalIncident(i)
			if err != nil {
				t.Fatal(err)
			}
			play(Signal{Incident: i, Body: body})
			if k%1750 == 0 {
				now = now.Add(10 * time.Second)
				play(Signal{})
				largest = max(largest, len(s.Append(nil)))
			}
		}
		for range 180 {
			now = now.Add(10 * time.Second)
			play(Signal{})
		}
	}
	if total := count["opened"] + count["recovered"] + count["held"]; total != 2*n {
		t.Errorf("told or counted %d of %d messages: %v", total, 2*n, count)
	}
	if single := count["opened"] + count["recovered"]; single > 4*20 || single < 2*20-2 || count["digest"] > 5 {
		t.Errorf("the limit of 20 in 10 minutes let pass %v", count)
	}
	if s.Open() != 0 || s.Held() != 0 || s.bodies != 0 {
		t.Errorf("the state still holds %d incidents, %d messages, %d bytes", s.Open(), s.Held(), s.bodies)
	}
	if largest > 10<<20 {
		t.Errorf("the state grew to %d bytes", largest)
	}
}

func TestLongGoneIncidentsAreForgotten(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.incident("a 1 opened")
	b.tick(time.Minute)
	b.now = b.now.Add(8 * 24 * time.Hour)
	b.step(Signal{})
	if b.state.Open() != 0 {
		t.Error("an incident whose records stopped coming a week ago is still followed")
	}
}

// TestDigestsHaveKeysOfTheirOwn, also where the clock goes back and a second digest covers the time of the first.
func TestDigestsHaveKeysOfTheirOwn(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(r *Route) { r.Wait, r.Limit = 0, 1 })
	b.tick(10 * time.Second)
	for id := range 3 {
		b.now = start.Add(time.Minute)
		b.step(Signal{})
		b.incident(fmt.Sprintf("a%d 1 opened", id))
		b.incident(fmt.Sprintf("b%d 1 opened", id))
		b.now = start.Add(11 * time.Minute)
		b.step(Signal{})
	}
	seen := map[string]bool{}
	for _, n := range b.sent {
		seen[n.Key] = true
	}
	if len(seen) != len(b.sent) || len(seen) < 4 {
		t.Errorf("%d messages have %d keys: %s", len(b.sent), len(seen), b.told())
	}
}
