package processors_test

import (
	"fmt"
	"testing"
	"time"

	"anomalystream/internal/kafkatest"
	"anomalystream/processors"
	"anomalystream/processors/incidents"
	"anomalystream/streams"
)

// journalled are the topics that are copied into the journal.
func journalled() []string { return []string{names.Anomalies(), names.Rollups(), names.Feedback()} }

// incidentConfig returns the configuration of the groups that make incidents, beside those of a stream.
func incidentConfig(c processors.Config) processors.IncidentConfig {
	return processors.IncidentConfig{
		GroupConfig: c.GroupConfig, Definitions: []*streams.Definition{c.Definition}, TickEvery: 200 * time.Millisecond,
	}
}

// incidentGroups returns all that makes incidents: the journal groups, the group and the ticker.
func incidentGroups(c processors.Config) ([]runner, error) {
	config := incidentConfig(c)
	journals, err := processors.NewJournalGroups(config)
	if err != nil {
		return nil, err
	}
	group, err := processors.NewIncidentGroup(config)
	if err != nil {
		return nil, err
	}
	ticker, err := processors.NewIncidentTicker(config, journals)
	if err != nil {
		return nil, err
	}
	all := []runner{group, ticking{ticker}}
	for _, j := range journals {
		all = append(all, j)
	}
	return all, nil
}

// ticking is a ticker as a runner: it is always ready.
type ticking struct{ *processors.Ticker }

func (ticking) Ready() error { return nil }

// incidentVerdict compares the incidents with a sequential computation over the journal, and the journal with what it is copied
// from.
type incidentVerdict struct {
	verdict
	uncopied       int // Records that the journal does not have, and that are not in the dead letters either.
	opened, ended  int
	wrongly        int // Incidents that did not open once, or did not end as often as they should have: once or not at all.
	expired, risen int // Records that were deleted, and incidents that came again after that.
	changes        map[string]int

	repeated []time.Time // When incidents were deleted of which no more came again than what had been told before.
}

func (v incidentVerdict) ok() bool {
	return v.missing == 0 && v.extra == 0 && v.differing == 0 && v.uncopied == 0 && v.wrongly == 0
}

func (v incidentVerdict) String() string {
	return fmt.Sprintf("%d revisions of %d incidents, %d of them ended, %d not opened and ended once; missing %d, extra %d, differing %d, duplicates %d; %d records not in the journal; %d expired, %d came again, of %d more a repetition; %v",
		v.want, v.opened, v.ended, v.wrongly, v.missing, v.extra, v.differing, v.duplicate, v.uncopied, v.expired, v.risen, len(v.repeated), v.changes)
}

func judgeIncidents(t testing.TB, c *kafkatest.Client, d *streams.Definition) incidentVerdict {
	t.Helper()
	v := incidentVerdict{changes: map[string]int{}}
	engine, err := incidents.New(d)
	if err != nil {
		t.Fatal(err)
	}
	state := incidents.NewState()
	type source struct {
		topic     string
		partition int32
	}
	applied := map[source]int64{}
	copied := map[streams.Position]bool{}
	want, got := map[string][]byte{}, map[string]map[string]int{}
	opened, ended, lasts := map[string]int{}, map[string]int{}, map[string]bool{}
	for _, r := range c.ReadAll(names.Journal()) {
		rec, _ := record(t, r)
		kind, _ := r.Header(streams.HeaderRecord)
		copied[rec.Source] = true
		from := source{rec.Source.Topic, rec.Source.Partition}
		if last, ok := applied[from]; ok && rec.Source.Offset <= last {
			continue // Copied twice.
		}
		applied[from] = rec.Source.Offset
		signal := journalSignal(t, kind, rec)
		for _, i := range engine.Step(state, signal) {
			b, err := streams.MarshalIncident(&i)
			if err != nil {
				t.Fatal(err)
			}
			want[revision(&i)] = b
			lasts[i.ID] = i.Open()
		}
		if signal.Tick.IsZero() {
			continue
		}
		gone := engine.Expire(state)
		for _, id := range gone.Incidents {
			want[expiry(names.Incidents(), id)] = nil
		}
		for _, key := range gone.Feedback {
			want[expiry(names.Feedback(), key)] = nil
		}
	}
	for _, topic := range []string{names.Incidents(), names.Feedback()} {
		lives := map[string]*life{}
		for _, r := range c.ReadAll(topic) {
			l := lives[string(r.Key)]
			if l == nil {
				l = &life{told: map[string]bool{}}
				lives[string(r.Key)] = l
			}
			// A test may have deleted what was never there.
			if id := expiry(topic, string(r.Key)); r.Value == nil && (l.last != nil || got[id] != nil) {
				if got[id] == nil {
					got[id] = map[string]int{}
					v.expired++
				}
				got[id][""]++
			}
			l.record(r)
		}
		for _, l := range lives {
			switch {
			case topic != names.Incidents() || l.deleted.IsZero() || l.last == nil: // Feedback may come again: somebody says it again.
			case l.news:
				v.risen++
			default:
				v.repeated = append(v.repeated, l.deleted)
			}
		}
	}
	for _, r := range c.ReadAll(names.DeadLetters()) {
		letter, err := streams.UnmarshalDeadLetter(r.Value)
		if err != nil {
			t.Fatal(err)
		}
		copied[letter.Source] = true
	}
	for _, topic := range journalled() {
		for _, r := range c.ReadAll(topic) {
			if r.Value != nil && !copied[streams.Position{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset}] {
				v.uncopied++
			}
		}
	}
	for _, r := range c.ReadAll(names.Incidents()) {
		if r.Value == nil {
			continue
		}
		i, err := streams.UnmarshalIncident(r.Value)
		if err != nil || string(r.Key) != i.ID {
			t.Fatalf("record %q of the incidents: %v", r.Key, err)
		}
		id := revision(i)
		if got[id] == nil {
			got[id] = map[string]int{}
			v.changes[i.Change]++
			switch i.Change {
			case streams.ChangeOpened:
				opened[i.ID]++
			case streams.ChangeRecovered, streams.ChangeResolved, streams.ChangeOutlasted:
				ended[i.ID]++
			}
		}
		got[id][string(r.Value)]++
	}
	v.want, v.opened, v.ended = len(want), len(opened), len(ended)
	for id, open := range lasts {
		if opened[id] != 1 || open && ended[id] != 0 || !open && ended[id] != 1 {
			v.wrongly++
		}
	}
	compare(&v.verdict, want, got)
	return v
}

// life is what a topic told of a key.
type life struct {
	last    []byte
	told    map[string]bool
	deleted time.Time // The last time.
	news    bool      // Something came after that which had not been told before.
}

func (l *life) record(r kafkatest.Record) {
	if l.last = r.Value; r.Value == nil {
		l.deleted, l.news = r.Timestamp, false
		return
	}
	l.news = l.news || !l.deleted.IsZero() && !l.told[string(r.Value)]
	l.told[string(r.Value)] = true
}

func revision(i *streams.Incident) string {
	return fmt.Sprintf("incident %s revision %d", i.ID, i.Revision)
}

// expiry identifies the deletion of a record.
func expiry(topic, key string) string { return "end of " + topic + " " + key }

func journalSignal(t testing.TB, kind string, r streams.Record) (s incidents.Signal) {
	t.Helper()
	var err error
	switch kind {
	case streams.RecordAnomaly:
		if s.Anomaly, err = streams.UnmarshalAnomaly(r.Value); err == nil {
			s.Anomaly.Replay = s.Anomaly.Replay || r.Replay
		}
	case streams.RecordRollup:
		s.Rollup, err = streams.UnmarshalRollup(r.Value)
	case streams.RecordFeedback:
		s.Feedback, err = streams.UnmarshalFeedback(r.Value)
	case streams.RecordTick:
		var tick *streams.Tick
		if tick, err = streams.UnmarshalTick(r.Value); err == nil {
			s.Tick = tick.At
		}
	default:
		err = fmt.Errorf("unknown kind %q", kind)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}
