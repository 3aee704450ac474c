package processors_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"anomalystream/internal/kafkatest"
	"anomalystream/processors"
	"anomalystream/streams"
)

// verdict compares the topics with a sequential computation over the input.
type verdict struct {
	produced, scored, dead               int // Records, and what must have become of them.
	want                                 int // Anomalies and dead letters.
	missing, extra, differing, duplicate int

	late, suppressed int // Of the records, late ones that were not scored; of the anomalies, those that notify nobody.
	kinds            map[string]int

	verdicts, withdrawn, calm int // Taken by detectors; of the anomalies, those that a verdict suppresses.
	states, wrong             int // Detectors that were compared, and those in another state than they should be.
}

func (v verdict) ok() bool {
	return v.missing == 0 && v.extra == 0 && v.differing == 0 && v.scored+v.dead == v.produced && v.wrong == 0
}

func (v verdict) String() string {
	text := fmt.Sprintf("produced %d, scored %d, dead-lettered %d, want %d, missing %d, extra %d, differing %d, duplicates %d",
		v.produced, v.scored, v.dead, v.want, v.missing, v.extra, v.differing, v.duplicate)
	if v.states > 0 {
		text += fmt.Sprintf("; verdicts %d, withdrawn %d, suppressed by them %d; states %d, wrong %d", v.verdicts, v.withdrawn, v.calm, v.states, v.wrong)
	}
	return text
}

// judge reads the input of the stream's detectors, applies it one record after another to fresh detectors and compares.
func judge(t testing.TB, c *kafkatest.Client, d *streams.Definition) verdict {
	t.Helper()
	return judgeTaken(t, c, d, nil)
}

// judgeTaken is judge where detectors took verdicts: it gives them where the detectors took them, and compares the states at the
// end too.
func judgeTaken(t testing.TB, c *kafkatest.Client, d *streams.Definition, taken *interventions) verdict {
	t.Helper()
	engine, err := processors.NewEngine(d)
	if err != nil {
		t.Fatal(err)
	}
	v := verdict{kinds: map[string]int{}}
	want := map[string][]byte{}
	decoder := streams.NewDecoder(d, maxRecord)
	states := map[string]*processors.State{}
	applied := map[streams.Position]bool{}
	input := c.ReadAll(names.Source(d))
	v.produced = len(input)
	if d.Repartitioned() {
		input = append(rejected(d, input), c.ReadAll(names.Repartition(d.Name))...)
	}
	for _, r := range input {
		rec, repartitioned := record(t, r)
		if applied[rec.Source] {
			continue // Written twice by the repartition group.
		}
		event, reject := decoder.Decode(rec)
		if reject == nil {
			if states[event.Key()] == nil {
				states[event.Key()] = engine.NewState(event.Entity)
			}
			applied[rec.Source] = true
			taken.before(engine, event.Key(), states[event.Key()], r.Offset)
			var result processors.Result
			if result, reject = engine.Step(states[event.Key()], &event); reject == nil {
				v.scored++
				if a := result.Anomaly; a != nil {
					b, err := streams.MarshalAnomaly(a)
					if err != nil {
						t.Fatal(err)
					}
					want["anomaly "+a.ID] = b
					v.kinds[a.Kind]++
					if a.Suppressed != "" {
						v.suppressed++
					}
					if strings.HasPrefix(a.Suppressed, streams.SuppressedByVerdict) {
						v.calm++
					}
				}
			}
		}
		if reject != nil && reject.Code == streams.CodeLate {
			v.late, v.dead = v.late+1, v.dead+1
			want["late event "+rec.Source.String()] = []byte(reject.Code)
		} else if reject != nil && !repartitioned {
			v.dead++
			want["dead letter "+rec.Source.String()] = []byte(reject.Code)
		}
	}
	v.want = len(want)
	compare(&v, want, written(t, c, want))
	if taken != nil {
		v.verdicts, v.withdrawn, v.states = len(taken.taken), len(taken.undone), len(states)
		v.wrong = taken.compare(engine, states)
	}
	return v
}

// rejected returns the records of a source topic that are no events: the repartition group refuses them.
func rejected(d *streams.Definition, input []kafkatest.Record) []kafkatest.Record {
	decoder := streams.NewDecoder(d, maxRecord)
	var out []kafkatest.Record
	for _, r := range input {
		if _, reject := decoder.Decode(streams.Record{Key: r.Key, Value: r.Value, Timestamp: r.Timestamp}); reject != nil {
			out = append(out, r)
		}
	}
	return out
}

// record is what a processor makes of a record, and whether it was repartitioned.
func record(t testing.TB, r kafkatest.Record) (streams.Record, bool) {
	t.Helper()
	lookup := func(name string) []byte {
		v, ok := r.Header(name)
		if !ok {
			return nil
		}
		return []byte(v)
	}
	position, ok, err := streams.PositionFromHeaders(lookup)
	if err != nil {
		t.Fatal(err)
	}
	if !ok {
		position = streams.Position{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset}
	}
	return streams.Record{Key: r.Key, Value: r.Value, Timestamp: r.Timestamp, Source: position, Replay: streams.ReplayFromHeaders(lookup)}, ok
}

// written returns the variants of each anomaly and dead letter that were written, and how often.
func written(t testing.TB, c *kafkatest.Client, want map[string][]byte) map[string]map[string]int {
	t.Helper()
	got := map[string]map[string]int{}
	add := func(id string, value []byte) {
		if got[id] == nil {
			got[id] = map[string]int{}
		}
		got[id][string(value)]++
	}
	for _, r := range c.ReadAll(names.Anomalies()) {
		a, err := streams.UnmarshalAnomaly(r.Value)
		if err != nil {
			t.Fatal(err)
		}
		add("anomaly "+a.ID, r.Value)
	}
	// Of a dead letter the oracle knows the reason; all copies must be equal and hold the record as it was.
	sources := map[string][]byte{}
	for _, r := range c.ReadAll(names.Prefix + "sensors") {
		sources[streams.Position{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset}.String()] = r.Value
	}
	first := map[string][]byte{}
	for _, r := range append(c.ReadAll(names.DeadLetters()), c.ReadAll(names.Late())...) {
		letter, err := streams.UnmarshalDeadLetter(r.Value)
		if err != nil {
			t.Fatal(err)
		}
		if letter.Source.Topic == names.Feedback() {
			continue // Judged with the incidents.
		}
		id := "dead letter " + letter.Source.String()
		if r.Topic == names.Late() {
			id = "late event " + letter.Source.String()
		}
		if first[id] == nil {
			first[id] = r.Value
		}
		switch {
		case !bytes.Equal(first[id], r.Value):
			add(id, []byte("other bytes than before"))
		case !bytes.Equal(letter.Value, sources[letter.Source.String()]):
			add(id, []byte("not the original value"))
		default:
			add(id, []byte(letter.Code))
		}
	}
	return got
}

func compare(v *verdict, want map[string][]byte, got map[string]map[string]int) {
	for id, value := range want {
		variants := got[id]
		switch {
		case len(variants) == 0:
			v.missing++
		case len(variants) > 1 || variants[string(value)] == 0:
			v.differing++
		default:
			v.duplicate += variants[string(value)] - 1
		}
	}
	for id := range got {
		if _, ok := want[id]; !ok {
			v.extra++
		}
	}
}
