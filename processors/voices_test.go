package processors_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"anomalystream/internal/kafkatest"
	"anomalystream/streams"
)

// voices are people who say something about what the groups find, while the groups are troubled: verdicts and withdrawals, twice,
// contradicting, in the wrong order, about what nobody knows; and what is no feedback at all.
type voices struct {
	t         testing.TB
	client    *kafkatest.Client
	random    *rand.Rand
	stream    string
	anomalies *follower
	incidents *follower // Nil where no incidents are made.

	found   []*streams.Anomaly  // Lately.
	opened  []*streams.Incident // Each in its newest revision.
	changes map[string]int      // Revisions of incidents by what they tell.
	expired map[string]bool     // Incidents that were deleted.
	said    []*streams.Feedback // That can be read.
	late    map[string]bool     // Verdicts that may end before they are taken.
	rubbish int                 // Records that are no feedback.
}

func newVoices(t testing.TB, client *kafkatest.Client, d *streams.Definition, incidents bool, seed uint64) *voices {
	t.Helper()
	v := &voices{t: t, client: client, random: rand.New(rand.NewPCG(seed, 2)), stream: d.Name, anomalies: follow(t, client, names.Anomalies()), changes: map[string]int{}, expired: map[string]bool{}, late: map[string]bool{}}
	if incidents {
		v.incidents = follow(t, client, names.Incidents())
	}
	return v
}

// listen takes in what has been found since.
func (v *voices) listen() {
	for _, r := range v.anomalies.news() {
		a, err := streams.UnmarshalAnomaly(r.Value)
		if err != nil {
			v.t.Fatal(err)
		}
		v.found = append(v.found, a)
	}
	v.found = v.found[max(len(v.found)-300, 0):]
	if v.incidents == nil {
		return
	}
	for _, r := range v.incidents.news() {
		if r.Value == nil {
			v.expired[string(r.Key)] = true
			continue
		}
		i, err := streams.UnmarshalIncident(r.Value)
		if err != nil {
			v.t.Fatal(err)
		}
		v.changes[i.Change]++
		if known := pick(v.opened, func(o *streams.Incident) bool { return o.ID == i.ID }); known != nil {
			if i.Revision > known.Revision {
				*known = *i
			}
			continue
		}
		v.opened = append(v.opened, i)
	}
}

func pick[T any](list []*T, fits func(*T) bool) *T {
	for _, v := range list {
		if fits(v) {
			return v
		}
	}
	return nil
}

// speak says something now and then.
func (v *voices) speak() {
	v.listen()
	for range v.random.IntN(3) {
		switch dice := v.random.IntN(20); {
		case dice == 0:
			v.babble()
		case dice == 1:
			v.ghost()
		case dice <= 3 && len(v.said) > 0:
			v.say(v.said[v.random.IntN(len(v.said))]) // Once more.
		case dice <= 7:
			v.withdraw()
		case dice <= 12 && len(v.opened) > 0:
			v.act()
		case len(v.found) > 0:
			v.judge()
		}
	}
}

// answers are what people make incidents tell.
var answers = []string{streams.ChangeAcknowledged, streams.ChangeCommented, streams.ChangeResolved, streams.ChangeJudged}

// unsaid returns what is missing to judge what becomes of all that was said: how much of it comes in a time depends on the machine.
func (v *voices) unsaid() error {
	verdicts, withdrawals := 0, 0
	for _, f := range v.said {
		switch f.Action {
		case streams.ActionVerdict:
			verdicts++
		case streams.ActionWithdraw:
			withdrawals++
		}
	}
	if verdicts < 50 || withdrawals < 15 {
		return fmt.Errorf("%d verdicts and %d withdrawals were said", verdicts, withdrawals)
	}
	if v.incidents == nil {
		return nil
	}
	for _, change := range answers {
		if v.changes[change] == 0 {
			return fmt.Errorf("no incident was %s: %v", change, v.changes)
		}
	}
	if n := len(v.expired); n < 20 {
		return fmt.Errorf("%d incidents have expired", n)
	}
	return nil
}

// feedback is something said now.
func (v *voices) feedback(action string) *streams.Feedback {
	return &streams.Feedback{ID: fmt.Sprintf("f%d", len(v.said)), Action: action, Stream: v.stream, Who: "ada", At: time.Now().UTC().Truncate(time.Microsecond)}
}

// judge gives a verdict on an anomaly, whatever was said about it before.
func (v *voices) judge() {
	a := v.found[v.random.IntN(len(v.found))]
	f := v.feedback(streams.ActionVerdict)
	f.Verdict = []string{streams.VerdictReal, streams.VerdictExpected, streams.VerdictNoise}[v.random.IntN(3)]
	f.Entity, f.From, f.To = a.Entity, a.Timestamp, a.Timestamp.Add(time.Duration(v.random.IntN(200))*time.Second)
	f.Describe(a)
	f.Until = f.To.Add(1000 * time.Hour)
	if v.random.IntN(4) == 0 {
		f.Until = f.To.Add(time.Duration(1+v.random.IntN(40)) * time.Minute)
		v.late[f.ID] = true
	}
	f.Lasting = v.random.IntN(2) == 0 // As of an incident that has not ended.
	if v.random.IntN(10) > 0 {
		v.say(f)
		return
	}
	v.said = append(v.said, f)
	v.say(v.back(f), f) // The withdrawal comes first.
}

// withdraw takes back a verdict that stands.
func (v *voices) withdraw() {
	withdrawn := map[string]bool{}
	for _, f := range v.said {
		withdrawn[f.Withdraw] = true
	}
	var standing []*streams.Feedback
	for _, f := range v.said {
		if f.Action == streams.ActionVerdict && !withdrawn[f.ID] {
			standing = append(standing, f)
		}
	}
	if len(standing) > 0 {
		v.say(v.back(standing[v.random.IntN(len(standing))]))
	}
}

func (v *voices) back(verdict *streams.Feedback) *streams.Feedback {
	f := v.feedback(streams.ActionWithdraw)
	f.Entity, f.Incident, f.Anomaly, f.Withdraw, f.Until = verdict.Entity, verdict.Incident, verdict.Anomaly, verdict.ID, verdict.Until
	return f
}

// act does something about an incident, whether it lasts or not. A verdict reaches its detector too.
func (v *voices) act() {
	i := v.opened[v.random.IntN(len(v.opened))]
	if newest := v.opened[len(v.opened)-1-v.random.IntN(min(5, len(v.opened)))]; v.random.IntN(3) > 0 {
		i = newest
	}
	actions := []string{streams.ActionAcknowledge, streams.ActionResolve, streams.ActionResolve, streams.ActionResolve, streams.ActionComment, streams.ActionVerdict}
	f := v.feedback(actions[v.random.IntN(len(actions))])
	f.Entity, f.Incident, f.From, f.To, f.Comment = i.Entity, i.ID, i.Start, i.Latest, "seen"
	if !i.Open() {
		f.About = i
	}
	if f.Action == streams.ActionVerdict {
		f.Verdict, f.Until = streams.VerdictReal, i.Latest.Add(1000*time.Hour)
	}
	v.say(f)
}

// ghost speaks about what nobody has seen.
func (v *voices) ghost() {
	f := v.feedback(streams.ActionVerdict)
	f.Verdict, f.Entity, f.Incident, f.Until = streams.VerdictNoise, "ghost", "sensors-9-9", time.Now().Add(time.Hour).UTC()
	v.say(f)
}

// babble writes what is no feedback, and what no detector takes.
func (v *voices) babble() {
	odd := v.feedback(streams.ActionVerdict)
	odd.ID, odd.Verdict, odd.Entity, odd.Until = fmt.Sprintf("odd-%d", v.rubbish), "perhaps", "sensor-1", time.Now().Add(time.Hour).UTC()
	value, err := streams.MarshalFeedback(odd)
	if err != nil {
		v.t.Fatal(err)
	}
	v.client.Produce(v.record(odd.Key(), value))
	for _, value := range [][]byte{[]byte("no feedback"), []byte(`{"id":7}`), {}, nil} {
		v.rubbish++
		v.client.Produce(v.record(fmt.Sprintf("sensors/sensor-1\x00rubbish-%d", v.rubbish), value))
	}
}

// say writes feedback.
func (v *voices) say(list ...*streams.Feedback) {
	var records []*kgo.Record
	for _, f := range list {
		if pick(v.said, func(o *streams.Feedback) bool { return o.ID == f.ID }) == nil {
			v.said = append(v.said, f)
		}
		value, err := streams.MarshalFeedback(f)
		if err != nil {
			v.t.Fatal(err)
		}
		records = append(records, v.record(f.Key(), value))
	}
	v.client.Produce(records...)
}

func (v *voices) record(key string, value []byte) *kgo.Record {
	return &kgo.Record{Topic: names.Feedback(), Key: []byte(key), Value: value, Partition: streams.Partition([]byte(key), 4)}
}
